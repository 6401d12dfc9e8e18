"""What ``fit`` is given besides X and y, and which splitter it is for: scikit-learn's metadata routing.

An estimator with a `cv` is a router, as ``GridSearchCV`` and ``LogisticRegressionCV`` are: of what ``fit`` gets,
``sample_weight`` (and ``trusted``) are its own, and ``cv.split`` has what the splitter requests. ``GroupKFold`` and its
kind request ``groups``; what any other splitter requests its ``set_split_request`` says. Routing must be enabled, by
``sklearn.set_config(enable_metadata_routing=True)``; until it is, more arguments are refused as scikit-learn does it.
"""

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, _raise_for_params, process_routing

from ..blocks.from_dask import is_dask


class SplitterRouting:
    """A ``fit`` whose further arguments are for ``cv.split``."""

    cv: Any

    def get_metadata_routing(self) -> MetadataRouter:
        """What ``fit`` takes itself, and what the splitter requests.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        to_split = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=self.cv, method_mapping=to_split)

    def _routed(self, X: Any, params: dict[str, Any], **own: Any) -> dict[str, Any]:
        """The arguments of ``cv.split``; `own` are those that ``fit`` names.

        Raises
        ------
        ValueError
            Further arguments without routing, or for data of Dask, whose split is none of a splitter.
        TypeError
            Further arguments that `cv` does not request.
        """
        _raise_for_params(params, self, "fit")
        if not get_config()["enable_metadata_routing"]:
            return {}
        given = params | {name: value for name, value in own.items() if value is not None}
        routed: dict[str, Any] = dict(process_routing(self, "fit", **given)["splitter"]["split"])
        if routed and is_dask(X):
            raise ValueError(f"{', '.join(routed)}: data of Dask are split by row numbers, and not by a splitter")
        return routed
