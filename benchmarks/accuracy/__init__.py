"""Rating prediction: RMSE and MAE beside published figures, and how settings were chosen."""
