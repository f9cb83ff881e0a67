"""Where tasks are run: threads here that wait for processes, or a Ray or Dask cluster.

This is the one place that starts a cluster or connects to one. Which worker takes which task, and
what becomes of the tasks of a worker that is lost, is left to Ray and Dask.
"""

from tsprompt.base.backends.base import Backend, Reduction, WorkerLostError
from tsprompt.base.backends.dask import Dask
from tsprompt.base.backends.local import Local
from tsprompt.base.backends.ray import Ray

__all__ = ["BACKENDS", "Backend", "Dask", "Local", "Ray", "Reduction", "WorkerLostError"]

BACKENDS = {"ray": Ray, "dask": Dask}
