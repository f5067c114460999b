"""A server that accepts every upload and checks nothing, so that only the sender is measured."""

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


async def received(request: Request) -> JSONResponse:
    """Rows and posts since the start."""
    return JSONResponse({"rows": request.app.state.rows, "posts": request.app.state.posts})


def serve(port: int) -> None:
    """Serve until terminated."""
    app = Starlette(
        routes=[
            Route("/v1/workflows/{id}/leads", accept, methods=["POST"]),
            Route("/v1/received", received),
        ]
    )
    app.state.rows = app.state.posts = 0
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
