"""A fitted model taken elsewhere: as an ONNX graph, or as vectors for a vector index."""

from recae.export.onnx_graph import export_onnx as export_onnx
from recae.export.vector_files import export_vectors as export_vectors
