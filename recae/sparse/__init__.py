"""The sparse core: `SparseRows` and the two operations that everything rests on.

`spmm(rows, weight)`: sparse rows times a dense matrix (the encoder).
`sddmm(rows, hidden, weight)`: a dense product, only at the stored entries (the decoder under a masked loss).
"""

from recae.sparse.ops import sddmm, spmm
from recae.sparse.rows import SparseRows

__all__ = ["SparseRows", "sddmm", "spmm"]
