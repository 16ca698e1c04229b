"""Training: any batches, model and objective; early stopping, exact resume, progress, history."""

from recae.training.batches import Batch, Batches, RowBatches
from recae.training.objectives import Reconstruction
from recae.training.reporting import Callback, History
from recae.training.trainer import Trainer

__all__ = ["Batch", "Batches", "Callback", "History", "Reconstruction", "RowBatches", "Trainer"]
