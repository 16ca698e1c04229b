# The public names of the package, for type checkers and for `__init__.py`, which imports them when they are asked for.

from recae.comparison import Comparison as Comparison
from recae.comparison import compare as compare
from recae.errors import RecaeError as RecaeError
from recae.evaluation import Report as Report
from recae.evaluation import evaluate as evaluate
from recae.evaluation import evaluate_lists as evaluate_lists
from recae.evaluation.next_items import evaluate_next_items as evaluate_next_items
from recae.events.cutting import sessions as sessions
from recae.events.session_events import Sessions as Sessions
from recae.events.session_splits import SessionSplit as SessionSplit
from recae.events.session_splits import split_sessions as split_sessions
from recae.explanation import explain as explain
from recae.export import export_onnx as export_onnx
from recae.export import export_vectors as export_vectors
from recae.loaders import load as load
from recae.loaders import prepare_store as prepare_store
from recae.models import *  # noqa: F403 - every model, as that module lists them
from recae.ratings import RatingMatrix as RatingMatrix
from recae.recommender.all_lists import lists_of as lists_of
from recae.recommender.all_lists import lists_of_new as lists_of_new
from recae.recommender.all_lists import write_lists as write_lists
from recae.recommender.params import default as default
from recae.recommender.params import hyperparameters as hyperparameters
from recae.recommender.params import learned as learned
from recae.recommender.params import param as param
from recae.recommender.registry import register as register
from recae.settings import load_settings as load_settings
from recae.splitting import Split as Split
from recae.splitting import split as split
from recae.tuning import Tuning as Tuning
from recae.tuning import tune as tune

__version__: str
