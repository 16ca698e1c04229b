"""Linear models of rows: closed forms, PCA, item neighbourhoods, and linear autoencoders by gradient."""
