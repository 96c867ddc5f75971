"""The app, and the routes it serves."""

from lihil import Lihil

from lihil_starter.session import ws_route

app = Lihil()
app.include_routes(ws_route)
