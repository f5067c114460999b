"""A server that accepts every upload and checks nothing, so that only the sender is measured."""

import phonenumbers
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def accept(request: Request) -> JSONResponse:
    """Count the rows of a CSV upload by its line ends."""
    content = await request.body()
    start = content.index(b"\r\n\r\n") + 4
    end = content.rindex(b"\r\n--")
    rows = content.count(b"\n", start, end) - 1
    request.app.state.rows += rows
    request.app.state.posts += 1
    body = {"workflow_id": request.path_params["id"], "leads_enrolled": rows, "message": "ok"}
    return JSONResponse(body, 201)


async def workflow(request: Request) -> JSONResponse:
    """Every workflow is there and active; a run looks before it sends."""
    return JSONResponse({"id": request.path_params["id"], "title": "Sink", "status": "active"})


async def network_groups(_request: Request) -> JSONResponse:
    """Every country may be called; without prefixes it is enabled whole."""
    rules = [
        {"country_iso": region, "country_name": region, "calling_code": str(code), "prefixes": []}
        for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
        for region in regions
        if region in phonenumbers.SUPPORTED_REGIONS
    ]
    return JSONResponse({"data": [{"countryRule": rule} for rule in rules]})


async def received(request: Request) -> JSONResponse:
    """Rows and posts since the start."""
    return JSONResponse({"rows": request.app.state.rows, "posts": request.app.state.posts})


def sink() -> Starlette:
    """The server's routes, with nothing received yet."""
    app = Starlette(
        routes=[
            Route("/v1/workflows/{id}/leads", accept, methods=["POST"]),
            Route("/v1/workflows/{id}", workflow),
            Route("/v1/phone-country-rules/enabled-network-groups", network_groups),
            Route("/v1/received", received),
        ]
    )
    app.state.rows = app.state.posts = 0
    return app


def serve(port: int) -> None:
    """Serve until terminated."""
    uvicorn.run(sink(), host="127.0.0.1", port=port, log_level="warning")
