"""A server that accepts every upload and checks nothing, so that only the sender is measured."""

import json

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def accept(request: Request) -> Response:
    """Count the rows of a CSV upload by its line ends."""
    content = await request.body()
    start = content.index(b"\r\n\r\n") + 4
    end = content.rindex(b"\r\n--")
    rows = content.count(b"\r\n", start, end) - 1
    body = json.dumps({"workflow_id": "sink", "leads_enrolled": rows, "message": "ok"})
    return Response(body, 201, media_type="application/json")


def serve(port: int) -> None:
    """Serve until terminated."""
    app = Starlette(routes=[Route("/v1/workflows/{id}/leads", accept, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
