"""The routes of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp

from tsprompt.base.version import __version__
from tsprompt.serving.about import EXPLAINED, ModelAbout, ModelList, Problem
from tsprompt.serving.access import Access
from tsprompt.serving.answers import ANSWERS, Answer, Wrong, written
from tsprompt.serving.bodies import JSON
from tsprompt.serving.guard import Guard, answer_to
from tsprompt.serving.json_cases import JsonCases
from tsprompt.serving.metrics import Metrics
from tsprompt.serving.page import Page, docs_page, try_page
from tsprompt.serving.refusals import TABLE_OPTIONS, RefusalError
from tsprompt.serving.service import Service, Wanted
from tsprompt.serving.tables import TABLES

__all__ = ["make_app"]

_WRONG: dict[int | str, dict[str, Any]] = {
    401: {"model": Wrong, "description": "The token is wrong or missing"},
    404: {"model": Wrong, "description": "There is no such model"},
    408: {"model": Wrong, "description": "The body did not arrive in time"},
    413: {"model": Wrong, "description": "Too many bytes, cases, timesteps or numbers"},
    415: {"model": Wrong, "description": "Content-Type tells no type that is read"},
    422: {"model": Wrong, "description": "The cases can't be used"},
    429: {"model": Wrong, "description": "Too many requests wait; see Retry-After"},
    503: {"model": Wrong, "description": "Starting, stopping or too slow; see Retry-After"},
}
_QUERY = {
    "bool_parsing": "is true or false",
    "float_parsing": "is a number, such as 0.9",
}
"""What pydantic calls a fault in a query -> what belongs there."""
_BODIES = {
    JSON: {"schema": JsonCases.model_json_schema()},
    **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in TABLES},
}
_OPTIONS = [
    {
        "name": name,
        "in": "query",
        "description": f"Of a table: {about}",
        "schema": {"type": "string"},
    }
    for name, about in TABLE_OPTIONS.items()
]
_WRITTEN: dict[str, Any] = {kind: {} for kind in ANSWERS if kind != JSON}


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """Whether models can be asked."""

    ready: bool
    models: int
    problems: list[Problem] | int = Field(
        description="Folders that can't be served as they are; how many, for those without token"
    )


def make_app(service: Service, access: Access, metrics: Metrics) -> ASGIApp:
    """The application of a server."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="tsprompt",
        version=__version__,
        description="Time-series classification by prompting a frozen language model",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_refusals(app)
    _add_state(app, service, access, metrics)
    _add_models(app, service)
    _add_pages(app)
    return Guard(app, access, metrics, service.limits.header_bytes)


def _add_refusals(app: FastAPI) -> None:
    """Whatever goes wrong is told in one form."""

    @app.exception_handler(RefusalError)
    async def refused(_: Request, refusal: RefusalError) -> Response:
        return answer_to(refusal)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        text = {404: "nothing is here; see /docs", 405: "another method is wanted; see /docs"}
        answer = answer_to(
            RefusalError(error.status_code, text.get(error.status_code, error.detail))
        )
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        said = _QUERY.get(first["type"], "is not what it should be; see /docs")
        return answer_to(RefusalError(422, f"?{first['loc'][-1]}= {said}"))

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=499)

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> Response:
        return answer_to(RefusalError(500, "the server failed; its log says where"))


def _add_state(app: FastAPI, service: Service, access: Access, metrics: Metrics) -> None:
    """What those ask who keep the server running."""

    @app.get("/healthz", tags=["state"], responses={503: {"model": Wrong}})
    async def health() -> Health:
        """Whether the process answers at all, and can still predict."""
        if not service.works:
            raise RefusalError(503, "the server predicts no more; start it again")
        return Health()

    @app.get("/readyz", tags=["state"], responses={503: {"model": Ready}})
    async def ready(request: Request, response: Response) -> Ready:
        """Whether all models that lay there at the start are loaded, and it does not stop."""
        folder = service.folder
        is_ready = folder.looked.is_set() and not service.stopping
        if not is_ready:
            response.status_code, response.headers["retry-after"] = 503, "2"
        known = access.is_known(request.headers)
        problems = folder.problems
        return Ready(
            ready=is_ready, models=len(folder.offers), problems=problems if known else len(problems)
        )

    @app.get("/metrics", tags=["state"], response_class=Response)
    async def counted() -> Response:
        """What was counted, for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8")


def _add_models(app: FastAPI, service: Service) -> None:
    @app.get("/models", tags=["models"], responses=_only(401))
    async def models() -> ModelList:
        """All models, and what can't be read."""
        folder = service.folder
        told = [offer.about for offer in folder.offers.values()]
        return ModelList(models=told, problems=folder.problems)

    @app.get("/models/{name:path}", tags=["models"], responses=_only(401, 404, 503))
    async def model(name: str) -> ModelAbout:
        """What a model expects, and how well it has done."""
        return service.offer(name).about

    @app.post(
        "/models/{name:path}/predict",
        tags=["models"],
        response_model=Answer,
        responses={200: {"content": _WRITTEN}, **_WRONG},
        openapi_extra={
            "requestBody": {"required": True, "content": _BODIES},
            "parameters": _OPTIONS,
        },
    )
    async def predict(
        name: str,
        request: Request,
        series: Annotated[bool, Query(description="Send the cases back as they were read")] = False,
        coverage: Annotated[
            float | None,
            Query(description="Give sets that hold the true class in this share of cases: 0.9"),
        ] = None,
        explain: Annotated[
            bool,
            Query(
                description="Say how much each stretch of time moved the answer, of at most "
                f"{EXPLAINED} cases at once; how is told by the model's `explanations`"
            ),
        ] = False,
    ) -> Response:
        """Labels and probabilities of cases.

        A table (CSV, Parquet, Arrow) is read as the file was that the model was fitted on; which
        column is what may be said by `label`, `id`, `time`, `values`, `layout` and `header`.
        """
        offer = service.offer(name)
        state = request.scope["state"]
        state["model"] = offer.name
        answer = await service.answered(request, offer, Wanted(series, coverage, explain))
        state["cases"] = len(answer.cases)
        service.metrics.cases.labels(offer.name).inc(len(answer.cases))
        body, kind = written(answer, request.headers.get("accept", ""))
        return Response(body, media_type=kind)


def _only(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: _WRONG[status] for status in statuses}


def _add_pages(app: FastAPI) -> None:
    """What people see."""
    pages: dict[str, Page] = {}

    def shown(name: str, make: Callable[[], Page]) -> Response:
        if name not in pages:
            pages[name] = make()
        page = pages[name]
        return HTMLResponse(page.html, headers={"content-security-policy": page.policy})

    @app.get("/", include_in_schema=False)
    async def try_out() -> Response:
        return shown("/", try_page)

    @app.get("/docs", include_in_schema=False)
    async def described() -> Response:
        return shown("/docs", lambda: docs_page(app.openapi()))
