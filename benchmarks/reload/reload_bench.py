#!/usr/bin/env python3
"""Measure hot-reloading ASGI/HTTP dev servers from the outside (standard library only, Linux).

Servers side by side (scenario by scenario, the servers taking turns):

    reload_bench.py --peers lihil,uvicorn,granian --scenarios reload_http,open_ws:100 --out r.json
    reload_bench.py --peers lihil,uvicorn --assert 'uvicorn/lihil:reload_http.median>=10'

One server, any command line:

    reload_bench.py --name mine --template apps/starlette_app.py \
        --cmd 'uvicorn app:app --reload --host 127.0.0.1 --port {port}' --scenarios reload_http

The command runs in a fresh copy of a small project whose module is `app.py` (object `app`); {port} is
replaced by a free port ({port2} by another one). The project lives in the system's temporary directory.

A template (apps/*_app.py) must serve
  GET /v       "<app version>|<helper version>|<submodule version>|<pid>"
  GET /sse     an endless event stream
  GET /slow    an answer after 30 s
  WS  /ws      the same text as /v as its first message, then echo
  WS  /ws-wait the same first message, then a handler that never receives
and call _boot("startup") / _boot("shutdown") in its lifespan (the prelude calls _boot("import")).
`# @PRELUDE@` is replaced by apps/_prelude.py; the placeholders @@VERSION@@, `# @HEAVY@`, `# @EXTRA@` and
`# @LIFESPAN@` are filled by this program.

Result: JSON on stdout, {"meta": .., "results": {server: {scenario: {..}}}}; a Markdown table and the progress
on stderr. Times are milliseconds. Exit status: 0, 1 when an --assert failed, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import json
import math
import operator
import os
import platform
import random
import re
import shlex
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEAVY = {
    "none": "",
    "numpy": "import numpy",
    "pandas": "import pandas, sqlalchemy, pydantic",
    "huge": "import pandas, sqlalchemy, sqlalchemy.orm, pydantic, aiohttp.web, rich.console",
}
now = time.perf_counter


# ------------------------------------------------------------------ project on disk
class Project:
    """A throwaway project. save() is atomic: written outside the watched tree, then os.replace()."""

    def __init__(self, template: Path, workdir: Path, heavy="none", app_file="app.py"):
        workdir.mkdir(parents=True, exist_ok=True)
        self.base = Path(tempfile.mkdtemp(prefix="reload-bench-", dir=workdir))
        self.root, self.stage = self.base / "proj", self.base / "stage"
        self.root.mkdir()
        self.stage.mkdir()
        self.bootlog, self.log = self.base / "boot.log", self.base / "server.log"
        self.bootlog.touch()
        self.template = template.read_text().replace("# @PRELUDE@", (template.parent / "_prelude.py").read_text())
        self.heavy, self.app_file, self.n = heavy, app_file, 0
        for d in ("pkg", "tests", "templates", "static", "many"):
            (self.root / d).mkdir()
        for path, text in {
            "pkg/__init__.py": "",
            "tests/test_x.py": "def test(): pass\n",
            "unused.py": "A = 1\n",
            "templates/index.html": "<h1>hi</h1>\n",
            "static/site.css": "a{}\n",
            ".env": "A=1\n",
            "settings.toml": "a = 1\n",
            "data.json": "{}\n",
            "README.md": "hi\n",
            "many/__init__.py": "",
        }.items():
            (self.root / path).write_text(text)
        for i in range(200):
            (self.root / f"many/m{i:03d}.py").write_text(f"X = {i}\n")
        (self.root / "many/everything.py").write_text("".join(f"from many import m{i:03d}\n" for i in range(200)))
        (self.root / "helper.py").write_text(self.const("h0"))
        (self.root / "pkg/sub.py").write_text(self.const("s0"))
        (self.root / app_file).write_text(self.app_source("v0"))

    @staticmethod
    def const(version, pad=True):
        return f'VERSION = "{version}"\n' + (f"# {'x' * random.randint(1, 400)}\n" if pad else "")

    def app_source(self, version, extra="", lifespan=""):
        src = self.template.replace("@@VERSION@@", version).replace("# @HEAVY@", HEAVY[self.heavy])
        src = src.replace("# @EXTRA@", extra).replace("# @LIFESPAN@", lifespan)
        return src + f"# {'x' * random.randint(1, 400)}\n"

    def version(self, prefix="v"):
        self.n += 1
        return f"{prefix}{self.n:04d}"

    def save(self, rel, text):
        tmp = self.stage / "f"
        tmp.write_text(text)
        os.replace(tmp, self.root / rel)

    def save_app(self, version, **kw):
        tmp, text = self.stage / "f", self.app_source(version, **kw)
        tmp.write_text(text)
        t = now()
        os.replace(tmp, self.root / self.app_file)
        return t

    def boots(self, since=0):
        lines = [ln.split() for ln in self.bootlog.read_text().splitlines()]
        return [(ln[0], float(ln[1]), int(ln[2]), ln[3]) for ln in lines[since:]]

    def boot_mark(self):
        return len(self.bootlog.read_text().splitlines())

    def clean(self):
        shutil.rmtree(self.base, ignore_errors=True)


# ------------------------------------------------------------------ server process
def _stat(pid):
    try:
        raw = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    f = raw[raw.rindex(")") + 2 :].split()
    return {
        "state": f[0],
        "ppid": int(f[1]),
        "pgid": int(f[2]),
        "sid": int(f[3]),
        "cpu": (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK"),
    }


class Server:
    def __init__(self, cmd, project, env=None, port=None):
        self.project = project
        self.port = port or free_port()
        self.cmd = cmd.replace("{port}", str(self.port)).replace("{port2}", str(free_port()))
        self.env = {
            **os.environ,
            "BENCH_BOOT_LOG": str(project.bootlog),
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
        }
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)

    def start(self):
        self.logf = open(self.project.log, "ab")
        self.t0 = now()
        self.proc = subprocess.Popen(
            ["/bin/sh", "-c", "exec " + self.cmd],
            cwd=self.project.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self.logf,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def tree(self):
        """pids of our session (all started by this Popen: it leads its own session)."""
        out = []
        for p in os.listdir("/proc"):
            if p.isdigit():
                s = _stat(p)
                if s and s["sid"] == self.proc.pid and s["state"] != "Z":
                    out.append(int(p))
        return out

    def cpu(self):
        return sum((s or {"cpu": 0})["cpu"] for s in map(_stat, self.tree()))

    def pss_mb(self):
        kb = 0
        for p in self.tree():
            try:
                for ln in Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                    if ln.startswith("Pss:"):
                        kb += int(ln.split()[1])
            except OSError:
                pass
        return round(kb / 1024, 1)

    def alive(self):
        return self.proc.poll() is None

    def text(self, since=0):
        return self.project.log.read_bytes()[since:].decode(errors="replace")

    def log_mark(self):
        return self.project.log.stat().st_size

    def stop(self):
        for sig, wait in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 3.0)):
            pids = self.tree()
            if not pids:
                break
            for p in pids:
                try:
                    os.kill(p, sig)
                except OSError:
                    pass
            end = now() + wait
            while now() < end and self.tree():
                self.proc.poll()
                time.sleep(0.02)
        self.proc.wait()
        self.logf.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ------------------------------------------------------------------ clients (raw, asyncio)
async def http_get(port, path="/v", timeout=5.0):
    """-> (kind, status, body); kind in ok|refused|reset|eof|timeout|http5xx"""
    writer = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            raw = await reader.read(-1)
    except TimeoutError:
        return "timeout", 0, ""
    except ConnectionRefusedError:
        return "refused", 0, ""
    except OSError:
        return "reset", 0, ""
    finally:
        if writer:
            writer.close()
    if not raw:
        return "eof", 0, ""
    head, _, body = raw.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if b"chunked" in head.lower():
        out = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            n = int(size, 16)
            if not n:
                break
            out, body = out + rest[:n], rest[n + 2 :]
        body = out
    return (
        ("http5xx" if status >= 500 else "ok" if status == 200 else "http4xx"),
        status,
        body.decode(errors="replace"),
    )


class WS(asyncio.Protocol):
    """Minimal RFC 6455 client: answers pings and close frames like a browser does."""

    def __init__(self, port, path="/ws"):
        self.port, self.path = port, path
        self.buf, self.open = b"", False
        self.loop = asyncio.get_running_loop()
        self.first = self.loop.create_future()  # first text message, or None if the connection failed
        self.ended = self.loop.create_future()  # (time, close code or "eof"/"reset"/"refused"/"http NNN")
        self.t_close_frame = None
        self.code, self.reason, self.messages = None, "", []
        self.on_message = None

    async def connect(self, timeout=5.0):
        try:
            async with asyncio.timeout(timeout):
                await self.loop.create_connection(lambda: self, "127.0.0.1", self.port)
                return await self.first
        except TimeoutError:
            self._end("timeout")
            self.abort()
        except OSError as e:
            self._end("refused" if isinstance(e, ConnectionRefusedError) else "reset")
        return None

    def connection_made(self, transport):
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            (
                f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )

    def send(self, opcode, payload=b""):
        mask = os.urandom(4)
        n = len(payload)
        head = bytes([0x80 | opcode]) + (bytes([0x80 | n]) if n < 126 else bytes([0xFE]) + struct.pack("!H", n))
        self.transport.write(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))

    def close(self, code=1000):
        if getattr(self, "transport", None) and not self.transport.is_closing():
            if self.open:
                self.send(8, struct.pack("!H", code))
            self.transport.close()

    def abort(self):
        if getattr(self, "transport", None):
            self.transport.abort()

    def data_received(self, data):
        self.buf += data
        if not self.open:
            if b"\r\n\r\n" not in self.buf:
                return
            head, _, self.buf = self.buf.partition(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n")[0] + b" ":
                self._end(f"http {head.split()[1].decode()}")
                self.transport.abort()
                return
            self.open = True
        while len(self.buf) >= 2:
            op, n, i = self.buf[0] & 15, self.buf[1] & 127, 2
            if n == 126:
                if len(self.buf) < 4:
                    return
                n, i = struct.unpack("!H", self.buf[2:4])[0], 4
            if len(self.buf) < i + n:
                return
            payload, self.buf = self.buf[i : i + n], self.buf[i + n :]
            if op in (1, 2):
                text = payload.decode(errors="replace")
                self.messages.append((now(), text))
                if not self.first.done():
                    self.first.set_result(text)
                if self.on_message:
                    self.on_message(text)
            elif op == 9:
                self.send(10, payload)
            elif op == 8:
                self.code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.reason = payload[2:].decode(errors="replace")
                self._end(self.code)
                self.send(8, payload[:2])

    def connection_lost(self, exc):
        self._end("reset" if isinstance(exc, ConnectionError) else "eof")

    def _end(self, what):
        if not self.ended.done():
            self.ended.set_result((now(), what))
        if not self.first.done():
            self.first.set_result(None)


class Stream:
    """Open-loop stream of probes: `rate`/s on new connections, HTTP or WS (handshake + first message)."""

    def __init__(self, port, rate=200, ws=False, timeout=5.0, cap=400):
        self.port, self.rate, self.ws, self.timeout, self.cap = port, rate, ws, timeout, cap
        self.rows, self.pending, self.stopped, self.skipped = [], set(), False, 0
        self.watch, self.seen = {}, {}
        self.task = asyncio.create_task(self._run())

    def future(self, marker):
        """Resolves to the time at which a probe carrying `marker` (a version) was completed."""
        return self.watch.setdefault(marker, asyncio.get_running_loop().create_future())

    async def _run(self):
        nxt = now()
        while not self.stopped:
            if len(self.pending) < self.cap:
                t = asyncio.create_task(self._one())
                self.pending.add(t)
                t.add_done_callback(self.pending.discard)
            else:
                self.skipped += 1
            nxt += 1 / self.rate
            await asyncio.sleep(max(0, nxt - now()))

    async def _one(self):
        t0 = now()
        if self.ws:
            w = WS(self.port)
            body = await w.connect(self.timeout)
            kind = "ok" if body else str(w.ended.result()[1] if w.ended.done() else "reset")
            kind = "http5xx" if kind.startswith("http 5") else kind
            t1 = now()
            w.close()
        else:
            kind, _, body = await http_get(self.port, timeout=self.timeout)
            t1 = now()
        body = body or ""
        self.rows.append((t0, t1, kind, body))
        if kind == "ok":
            for v in body.split("|")[:3]:
                if v in self.watch and not self.watch[v].done():
                    self.watch[v].set_result(t1)

    async def stop(self, drain=3.0):
        self.stopped = True
        await self.task
        if self.pending:
            await asyncio.wait(list(self.pending), timeout=drain)
        for t in list(self.pending):
            t.cancel()
        for f in self.watch.values():
            f.cancel()

    def summary(self, since=0.0, version=None):
        rows = sorted(r for r in self.rows if r[1] >= since)
        kinds = collections.Counter(r[2] for r in rows)
        lat = [(r[1] - r[0]) * 1000 for r in rows]
        ok = sorted(r[1] for r in rows if r[2] == "ok")
        gap = max((b - a for a, b in zip(ok, ok[1:])), default=0) * 1000
        return {
            "requests": len(rows),
            "failed": sum(n for k, n in kinds.items() if k != "ok"),
            "kinds": dict(kinds),
            "max_latency": round(max(lat, default=0), 1),
            "stalled_over_100ms": sum(x > 100 for x in lat),
            "longest_silence": round(gap, 1),
        }


def stats(xs, nd=1):
    got = sorted(x for x in xs if x is not None)
    if not got:
        return {"n": len(xs), "missing": len(xs)}
    return {
        "n": len(xs),
        "missing": len(xs) - len(got),
        "min": round(got[0], nd),
        "median": round(statistics.median(got), nd),
        "p95": round(got[round(0.95 * (len(got) - 1))], nd),
        "max": round(got[-1], nd),
        "all": [None if x is None else round(x, nd) for x in xs],
    }


async def wait_for(fut, timeout):
    try:
        return await asyncio.wait_for(asyncio.shield(fut), timeout)
    except (TimeoutError, asyncio.CancelledError):
        return None


async def ready(server, timeout=40.0, version=None):
    end = now() + timeout
    while now() < end:
        kind, status, body = await http_get(server.port, timeout=2)
        if kind == "ok" and (version is None or body.startswith(version)):
            return now()
        if not server.alive():
            break
        await asyncio.sleep(0.005)
    raise RuntimeError("server never became ready: " + server.text()[-1500:])


async def until(cond, timeout, step=0.02):
    end = now() + timeout
    while now() < end:
        if cond():
            return now()
        await asyncio.sleep(step)
    return None


# ------------------------------------------------------------------ scenarios
class Bench:
    def __init__(self, peer, args):
        self.peer, self.args = peer, args

    async def up(self, heavy="none", settle=None):
        self.p = Project(
            Path(self.peer["template"]), Path(self.args.workdir), heavy, self.peer.get("app_file", "app.py")
        )
        self.s = Server(self.peer["cmd"], self.p, self.peer.get("env")).start()
        self.t_ready = await ready(self.s)
        await asyncio.sleep(settle if settle is not None else self.args.settle)
        return self.p, self.s

    def down(self):
        if getattr(self, "s", None):
            self.s.stop()
            self.s = None
        if not self.args.keep and getattr(self, "p", None):
            self.p.clean()

    async def fresh_if_dead(self):
        """After a scenario step that may have broken the server: restart when /v does not answer."""
        kind, *_ = await http_get(self.s.port, timeout=1)
        if kind != "ok":
            self.down()
            await self.up()

    async def reload_http(self, ws=False, heavy="none", rate=200, edits=None):
        """Edits of app.py under a steady stream of new connections: time to new code, failures, silence."""
        p, s = await self.up(heavy)
        times, fails, silences, lats, kinds, stalled, boots = [], [], [], [], collections.Counter(), [], []
        for _ in range(edits or self.args.edits):
            v = p.version()
            st = Stream(s.port, rate=rate, ws=ws)
            await asyncio.sleep(0.4)
            fut, mark = st.future(v), p.boot_mark()
            t0 = p.save_app(v)
            t1 = await wait_for(fut, self.args.timeout)
            await asyncio.sleep(0.35)
            await st.stop()
            r = st.summary(t0)
            times.append((t1 - t0) * 1000 if t1 else None)
            (
                fails.append(r["failed"]),
                silences.append(r["longest_silence"]),
                lats.append(r["max_latency"]),
                stalled.append(r["stalled_over_100ms"]),
            )
            kinds.update(r["kinds"])
            boots.append(sum(b[0] == "import" for b in p.boots(mark)))
            await asyncio.sleep(random.uniform(0.3, 0.9))
            if not t1 and not s.alive():
                break
        return {
            "time_to_new": stats(times),
            "failed_per_edit": stats(fails),
            "kinds": dict(kinds),
            "longest_silence": stats(silences),
            "max_latency": stats(lats),
            "stalled_per_edit": stats(stalled),
            "imports_per_edit": stats(boots),
            "pss_mb": s.pss_mb(),
        }

    async def reload_ws(self, **kw):
        """The same with WebSocket probes (handshake and first message)."""
        return await self.reload_http(ws=True, rate=50, **kw)

    async def heavy(self, which="pandas"):
        """The same with an app that imports big third-party packages."""
        return await self.reload_http(heavy=which, rate=100, edits=min(self.args.edits, 5))

    async def open_ws(self, n="100", path="/ws"):
        """n open WebSockets at the moment of the save; the clients reconnect as soon as they are told."""
        n = int(n)
        p, s = await self.up()
        runs = []
        for _ in range(self.args.ws_edits):
            runs.append(await self._open_ws(n, path))
            if runs[-1]["hung"]:
                break
            await asyncio.sleep(0.5)
        return {
            "n": n,
            "path": path,
            "runs": runs,
            "time_to_new_http": stats([r["time_to_new_http"] for r in runs]),
            "all_told": stats([r["all_told"] for r in runs]),
            "all_back": stats([r["all_back"] for r in runs]),
            "hung": any(r["hung"] for r in runs),
            "closes": dict(sum((collections.Counter(r["closes"]) for r in runs), collections.Counter())),
        }

    async def _open_ws(self, n, path):
        p, s = self.p, self.s
        conns = []
        for i in range(0, n, 50):
            batch = [WS(s.port, path) for _ in range(min(50, n - i))]
            await asyncio.gather(*(w.connect(15) for w in batch))
            conns += batch
        opened = sum(w.open for w in conns)
        v, st = p.version(), Stream(s.port, rate=50, timeout=self.args.timeout)
        await asyncio.sleep(0.3)
        fut = st.future(v)
        back, kept, attempts = [], [0], [0]
        give_up = now() + self.args.timeout
        extra = []

        async def follow(w):  # a client that reconnects, as a browser app does
            def msg(text):
                if text.startswith(v):  # new code spoke on the OLD connection: it was kept open
                    kept[0] += 1
                    back.append(now())

            w.on_message = msg
            await w.ended
            while now() < give_up:
                attempts[0] += 1
                c = WS(s.port, path)
                body = await c.connect(5)
                if body and body.startswith(v):
                    back.append(now())
                    extra.append(c)
                    return
                if body:  # connected to the old code again
                    await c.ended
                await asyncio.sleep(0.02)

        followers = [asyncio.create_task(follow(w)) for w in conns if w.open]
        t0 = p.save_app(v)
        t_new = await wait_for(fut, self.args.timeout)
        rest = max(0.1, min(t0 + self.args.timeout - now(), 8.0))
        await until(lambda: len(back) >= opened, rest)
        ends = [w.ended.result() for w in conns if w.open and w.ended.done()]
        told = [t for t, _ in ends]
        hung = t_new is None
        out = {
            "opened": opened,
            "hung": hung,
            "time_to_new_http": round((t_new - t0) * 1000, 1) if t_new else None,
            "first_told": round((min(told) - t0) * 1000, 1) if told else None,
            "all_told": round((max(told) - t0) * 1000, 1) if len(told) == opened else None,
            "all_back": round((max(back) - t0) * 1000, 1) if len(back) >= opened else None,
            "back": len(back),
            "kept_open": kept[0],
            "reconnect_attempts": attempts[0],
            "closes": dict(collections.Counter(str(c) for _, c in ends)),
            "untold": opened - len(ends),
        }
        for w in conns + extra:
            w.close()
        for f in followers:
            f.cancel()
        if hung:  # does it recover once the clients leave?
            f2 = st.future(v)
            out["recovered_after_clients_left"] = (await wait_for(f2, 10)) is not None
        await st.stop()
        out["http"] = st.summary(t0)
        return out

    async def blockers(self):
        """Long-lived work in flight (WebSockets, SSE, a slow request): does it block the reload?"""
        out = {}
        for name, path in (
            ("ws_idle", "/ws"),
            ("ws_never_receives", "/ws-wait"),
            ("ws_dead_peer", "/ws"),
            ("sse", "/sse"),
            ("slow_http", "/slow"),
        ):
            p, s = await self.up(settle=0.8)
            st = Stream(s.port, rate=30, timeout=self.args.timeout)
            conn = writer = reader = None
            if path.startswith("/ws"):
                conn = WS(s.port, path)
                await conn.connect()
                if name == "ws_dead_peer":  # client stopped reading: never answers the close frame
                    conn.transport.pause_reading()
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", s.port)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await asyncio.sleep(0.4)
            v = p.version()
            fut = st.future(v)
            t0 = p.save_app(v)
            t1 = await wait_for(fut, self.args.timeout)
            row = {"blocked": t1 is None, "time_to_new": round((t1 - t0) * 1000, 1) if t1 else None}
            if conn:
                row["close"] = str(conn.ended.result()[1]) if conn.ended.done() else None
            if t1 is None:
                conn.abort() if conn else writer.transport.abort()
                t2 = await wait_for(fut, 8)
                row["unblocked_when_client_left"] = t2 is not None
            else:
                conn.abort() if conn else writer.transport.abort()
            await st.stop(1)
            out[name] = row
            self.down()
        return out

    async def errors(self):
        """Broken edits: is the old code still served, is the error shown, is the fix picked up?"""
        out = {}
        kinds = {
            "syntax": ({"extra": "def broken(:\n    pass"}, "SyntaxError"),
            "import_exc": ({"extra": 'raise RuntimeError("boom-at-import")'}, "boom-at-import"),
            "missing_module": ({"extra": "import no_such_module_xyz"}, "no_such_module_xyz"),
            "lifespan_exc": ({"lifespan": 'raise RuntimeError("boom-in-lifespan")'}, "boom-in-lifespan"),
            "sys_exit": ({"extra": "raise SystemExit(3)"}, "SystemExit"),
        }
        await self.up()
        for name, (kw, token) in kinds.items():
            p, s = self.p, self.s
            st, mark = Stream(s.port, rate=50, timeout=1.0), s.log_mark()
            conn = WS(s.port)
            await conn.connect()
            await asyncio.sleep(0.3)
            t0 = p.save_app(p.version(), **kw)
            t_shown = await until(lambda: token in s.text(mark), 4.0, 0.01)
            await asyncio.sleep(max(0.0, t0 + 4.0 - now()))
            tail = [r for r in st.rows if r[0] > t0 + 2.0]
            served = sum(r[2] == "ok" for r in tail)
            text = s.text(mark)
            row = {
                "old_code_keeps_serving": served == len(tail) and served > 0,
                "ok_ratio_while_broken": round(served / max(1, len(tail)), 3),
                "kinds_while_broken": dict(collections.Counter(r[2] for r in tail)),
                "shown_in_terminal": token in text,
                "shown_ms": round((t_shown - t0) * 1000, 1) if t_shown else None,
                "lines_printed": len(text.splitlines()),
                "shown_in_browser": any(token in r[3] for r in tail),
                "open_ws": str(conn.ended.result()[1]) if conn.ended.done() else "kept open",
                "process_alive": s.alive(),
            }
            v = p.version()
            fut = st.future(v)
            t1 = p.save_app(v)
            t2 = await wait_for(fut, 10)
            row["recovers"] = t2 is not None
            row["recovery_ms"] = round((t2 - t1) * 1000, 1) if t2 else None
            conn.close()
            await st.stop(1)
            out[name] = row
            await self.fresh_if_dead()
            await asyncio.sleep(0.5)
        return out

    async def cold(self):
        """From starting the command to the first response."""
        xs = []
        for _ in range(self.args.cold_runs):
            await self.up(settle=0)
            xs.append((self.t_ready - self.s.t0) * 1000)
            self.down()
        return {"spawn_to_first_response": stats(xs)}

    async def idle(self, files="5000"):
        """CPU time of the whole process tree while nothing happens, with many files to watch."""
        self.p = p = Project(
            Path(self.peer["template"]), Path(self.args.workdir), "none", self.peer.get("app_file", "app.py")
        )
        n = int(files)
        for d in range(n // 25):
            dd = p.root / f"tree/d{d // 20:03d}/e{d:04d}"
            dd.mkdir(parents=True)
            for i in range(25):
                (dd / f"f{i}.py").write_text("X = 1\n")
        self.s = s = Server(self.peer["cmd"], p, self.peer.get("env")).start()
        await ready(s)
        await asyncio.sleep(3)
        c0 = s.cpu()
        await asyncio.sleep(self.args.idle_seconds)
        cpu = s.cpu() - c0
        st = Stream(s.port, rate=100)
        v = p.version()
        fut = st.future(v)
        t1 = p.save_app(v)
        t2 = await wait_for(fut, self.args.timeout)
        await st.stop()
        return {
            "files": n,
            "seconds": self.args.idle_seconds,
            "cpu_s": round(cpu, 3),
            "cpu_percent": round(100 * cpu / self.args.idle_seconds, 2),
            "time_to_new_with_tree": round((t2 - t1) * 1000, 1) if t2 else None,
            "pss_mb": s.pss_mb(),
        }

    async def files(self):
        """Which kinds of file changes restart the server, and which do not."""
        p, s = await self.up()
        out = {}

        async def step(name, action, prefix=None, wait=2.5):
            st = Stream(s.port, rate=100)
            mark = p.boot_mark()
            v = p.version(prefix or "x")
            fut = st.future(v)
            t0 = now()
            action(v)
            t1 = await wait_for(fut, 8) if prefix else None
            await asyncio.sleep(wait)
            await st.stop(1)
            boots = p.boots(mark)
            out[name] = {
                "restarts": sum(b[0] == "startup" for b in boots),
                "imports": sum(b[0] == "import" for b in boots),
                **({"time_to_new": round((t1 - t0) * 1000, 1) if t1 else None} if prefix else {}),
                "failed": st.summary(t0)["failed"],
            }

        await step("helper_edit", lambda v: p.save("helper.py", p.const(v)), "h", 0.8)
        await step("submodule_edit", lambda v: p.save("pkg/sub.py", p.const(v)), "s", 0.8)
        await step("touch_no_change", lambda v: os.utime(p.root / p.app_file))
        await step("unimported_py", lambda v: p.save("unused.py", f"A = '{v}'\n"))
        await step("tests_py", lambda v: p.save("tests/test_x.py", f"A = '{v}'\n"))
        await step("html", lambda v: p.save("templates/index.html", v))
        await step("css", lambda v: p.save("static/site.css", v))
        await step("env", lambda v: p.save(".env", f"A={v}\n"))
        await step("toml", lambda v: p.save("settings.toml", f"a = '{v}'\n"))
        await step("json", lambda v: p.save("data.json", f'"{v}"'))
        await step("md", lambda v: p.save("README.md", v))
        await step("create_unimported", lambda v: p.save("brand_new.py", "B = 1\n"))
        await step("rename_unimported", lambda v: os.rename(p.root / "brand_new.py", p.root / "brand_new2.py"))
        await step("delete_unimported", lambda v: os.unlink(p.root / "brand_new2.py"))

        def new_module(v):
            p.save("fresh_mod.py", f"W = '{v}'\n")
            p.save_app(v, extra="import fresh_mod")

        await step("create_and_import", new_module, "v", 0.8)

        def rename_imported(v):
            os.rename(p.root / "fresh_mod.py", p.root / "fresh_mod2.py")
            p.save_app(v, extra="import fresh_mod2")

        await step("rename_imported", rename_imported, "v", 0.8)
        return out

    async def editors(self):
        """The ways editors save a file."""
        p, s = await self.up()
        out = {}
        target = p.root / p.app_file

        def truncate_write(src):
            target.write_text(src)

        def two_phase(src):
            half = len(src) // 3
            with open(target, "w") as f:
                f.write(src[:half] + "\ndef (")
                f.flush()
                time.sleep(0.03)
                f.seek(half), f.truncate(), f.write(src[half:])

        def vim(src):
            probe = p.root / "4913"
            probe.touch(), probe.unlink()
            os.rename(target, str(target) + "~")
            target.write_text(src)
            os.unlink(str(target) + "~")

        def jetbrains(src):
            tmp = p.root / (p.app_file + "___jb_tmp___")
            tmp.write_text(src)
            os.rename(target, p.root / (p.app_file + "___jb_old___"))
            os.rename(tmp, target)
            os.unlink(p.root / (p.app_file + "___jb_old___"))

        def atomic_same_dir(src):
            tmp = p.root / ".app.py.tmp123"
            tmp.write_text(src)
            os.replace(tmp, target)

        for fn in (truncate_write, two_phase, vim, jetbrains, atomic_same_dir):
            st, mark, lm = Stream(s.port, rate=100), p.boot_mark(), s.log_mark()
            v = p.version()
            fut = st.future(v)
            await asyncio.sleep(0.2)
            src, t0 = p.app_source(v), now()
            await asyncio.to_thread(fn, src)
            t1 = await wait_for(fut, 8)
            await asyncio.sleep(1.2)
            await st.stop(1)
            boots = p.boots(mark)
            out[fn.__name__] = {
                "time_to_new": round((t1 - t0) * 1000, 1) if t1 else None,
                "restarts": sum(b[0] == "startup" for b in boots),
                "failed": st.summary(t0)["failed"],
                "error_printed": "Error" in s.text(lm),
            }
        return out

    async def burst(self):
        """A checkout of 200 files, a second edit during a reload, and equal-size edits in one second."""
        p, s = await self.up()
        out = {}
        st = Stream(s.port, rate=50)  # first make the app import all the files that will change
        v = p.version()
        fut = st.future(v)
        p.save_app(v, extra="import many.everything")
        await wait_for(fut, self.args.timeout)
        await asyncio.sleep(1)
        await st.stop(1)
        st, mark = Stream(s.port, rate=100), p.boot_mark()
        v = p.version()
        fut = st.future(v)
        t0 = now()

        def checkout():
            for i in range(200):
                p.save(f"many/m{i:03d}.py", f"X = '{v}'\n")
                if i == 100:
                    p.save_app(v, extra="import many.everything")
                time.sleep(0.001)
            return now()

        t_last = await asyncio.to_thread(checkout)
        t1 = await wait_for(fut, self.args.timeout)
        await asyncio.sleep(3)
        await st.stop()
        boots = p.boots(mark)
        out["checkout_200"] = {
            "spread_ms": round((t_last - t0) * 1000),
            "restarts": sum(b[0] == "startup" for b in boots),
            "imports": sum(b[0] == "import" for b in boots),
            "last_write_to_new": round((t1 - t_last) * 1000, 1) if t1 else None,
            "failed": st.summary(t0)["failed"],
        }
        races = {}
        for gap in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2):
            st, mark = Stream(s.port, rate=100), p.boot_mark()
            a, b = p.version(), p.version()
            p.save_app(a)
            await asyncio.sleep(gap)
            fut = st.future(b)
            t0 = p.save_app(b)
            t1 = await wait_for(fut, 6)
            await asyncio.sleep(0.6)
            await st.stop(1)
            races[f"{int(gap * 1000)}ms"] = {
                "second_edit_served": t1 is not None,
                "ms": round((t1 - t0) * 1000, 1) if t1 else None,
                "restarts": sum(x[0] == "startup" for x in p.boots(mark)),
            }
            if not t1:
                await self.fresh_if_dead()
                p, s = self.p, self.s
            await asyncio.sleep(0.4)
        out["second_edit_after"] = races
        # stale .pyc: equal size, same mtime second, first version already compiled
        res = []
        for _ in range(4):
            await asyncio.sleep(1.02 - time.time() % 1)
            st = Stream(s.port, rate=200)
            a, b = p.version("h"), p.version("h")
            fa, fb = st.future(a), st.future(b)
            sec = int(time.time())
            p.save("helper.py", p.const(a, pad=False))
            ta = await wait_for(fa, 0.93)
            if ta and int(time.time()) == sec:
                p.save("helper.py", p.const(b, pad=False))
                same = int((p.root / "helper.py").stat().st_mtime) == sec
                res.append(("fresh" if await wait_for(fb, 8) else "STALE") if same else "missed the second")
            else:
                res.append("reload too slow to trigger")
            await st.stop(1)
            await asyncio.sleep(0.5)
        out["same_size_same_second"] = res
        return out

    async def ctrl_c(self):
        """Ctrl+C with connections open, and a killed supervisor."""
        out = {}
        for name, path in (
            ("idle", None),
            ("one_ws", "/ws"),
            ("ws_never_receives", "/ws-wait"),
            ("sse", "/sse"),
        ):
            p, s = await self.up(settle=0.8)
            w = writer = None
            if path and path.startswith("/ws"):
                w = WS(s.port, path)
                await w.connect()
            elif path:
                _, writer = await asyncio.open_connection("127.0.0.1", s.port)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await asyncio.sleep(0.3)
            t0 = now()
            os.killpg(s.proc.pid, signal.SIGINT)
            gone = await until(lambda: (s.proc.poll(), not s.tree())[1], 6)
            row = {
                "exit_ms": round((gone - t0) * 1000, 1) if gone else None,
                "ctrl_c_presses": 1,
                "exit_code": s.proc.poll(),
                "close": (str(w.ended.result()[1]) if w.ended.done() else None) if w else None,
            }
            if not gone:
                os.killpg(s.proc.pid, signal.SIGINT)
                gone = await until(lambda: (s.proc.poll(), not s.tree())[1], 6)
                row |= {"ctrl_c_presses": 2 if gone else "never", "left_over": len(s.tree())}
            row["traceback_printed"] = "Traceback" in s.text()
            if w:
                w.abort()
            if writer:
                writer.transport.abort()
            out[name] = row
            self.down()
        p, s = await self.up(settle=0.5)
        os.kill(s.proc.pid, signal.SIGKILL)
        s.proc.wait()
        await asyncio.sleep(3)
        kind, *_ = await http_get(s.port, timeout=1)
        out["supervisor_killed"] = {
            "orphans": len(s.tree()),
            "port_still_served": kind == "ok",
            "port_busy": kind not in ("refused",),
        }
        return out


def table(doc):
    """Markdown: one row per measure, one column per peer."""
    peers = list(doc["results"])
    rows = {}

    def put(peer, name, value):
        rows.setdefault(name, {})[peer] = "" if value is None else str(value)

    def med(st):
        if not st or "median" not in st:
            return "never" if st and st.get("missing") else None
        return f"{st['median']:g} ({st['min']:g}..{st['max']:g})" + (
            f", {st['missing']} never" if st["missing"] else ""
        )

    for peer, scs in doc["results"].items():
        for sc, r in scs.items():
            if "harness_error" in r:
                put(peer, sc, "error: " + r["harness_error"][:40])
            elif "failed_per_edit" in r:
                put(peer, f"{sc}: save to new code, ms", med(r["time_to_new"]))
                put(peer, f"{sc}: failed connections per edit", med(r["failed_per_edit"]))
                put(peer, f"{sc}: longest silence, ms", med(r["longest_silence"]))
            elif sc.startswith("open_ws"):
                put(peer, f"{sc}: save to new code, ms", med(r["time_to_new_http"]))
                put(peer, f"{sc}: all clients told, ms", med(r["all_told"]))
                put(peer, f"{sc}: all clients back on new code, ms", med(r["all_back"]))
                put(peer, f"{sc}: close codes", r["closes"] or "kept open")
            elif sc == "cold":
                put(peer, "cold start, ms", med(r["spawn_to_first_response"]))
            elif sc.startswith("idle"):
                put(peer, f"idle CPU, % of a core ({r['files']} files)", r["cpu_percent"])
            elif sc == "burst":
                put(peer, "checkout of 200 files: restarts", r["checkout_200"]["restarts"])
                put(peer, "checkout: last write to new code, ms", r["checkout_200"]["last_write_to_new"])
                lost = [k for k, x in r["second_edit_after"].items() if not x["second_edit_served"]]
                put(peer, "second edit lost when made after", ", ".join(lost) or "never")
                put(
                    peer,
                    "same size, same second",
                    collections.Counter(r["same_size_same_second"]).most_common(),
                )
            else:
                for k, x in r.items():
                    if isinstance(x, dict):
                        put(
                            peer,
                            f"{sc}/{k}",
                            ", ".join(f"{a}={b}" for a, b in x.items() if not isinstance(b, dict)),
                        )
    out = ["| measure | " + " | ".join(peers) + " |", "|---" * (len(peers) + 1) + "|"]
    return "\n".join(out + [f"| {n} | " + " | ".join(v.get(p, "") for p in peers) + " |" for n, v in rows.items()])


SCENARIOS = (
    "reload_http reload_ws open_ws:1 open_ws:100 open_ws:1000 blockers errors cold idle files editors burst "
    "ctrl_c heavy:numpy heavy:pandas"
).split()


DEFAULT = "cold,reload_http,reload_ws,heavy:pandas,open_ws:1000,idle"


# ------------------------------------------------------------------ assertions
OPS = {">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt}
STATS = ("median", "min", "max", "p95")
MAIN = {"open_ws": "all_back", "cold": "spawn_to_first_response"}  # elsewhere: time_to_new


def parse_assert(text):
    """'A/B:scenario.path>=number' (a ratio) or 'A:scenario.path>=number' (a plain value)."""
    m = re.fullmatch(r"([^/:<>=]+)(?:/([^/:<>=]+))?:([^<>=]+)(>=|<=|==|>|<)([-+.\deE]+)", text.replace(" ", ""))
    try:
        a, b, path, op, limit = m.groups()
        return text, a, b, path, op, float(limit)
    except (AttributeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 'A/B:scenario.path>=number'") from None


def lookup(doc, peer, path):
    """The number at `scenario.path`, None when there is none. A reload that never came counts as infinite."""
    scenario, _, rest = path.partition(".")
    keys = rest.split(".") if rest else ["median"]
    if keys[0] in STATS:
        keys.insert(0, MAIN.get(scenario.partition(":")[0], "time_to_new"))
    node = doc["results"].get(peer, {}).get(scenario)
    for key in keys:
        if key in STATS and isinstance(node, dict) and node.get("missing"):
            got = sorted(math.inf if x is None else x for x in node.get("all", [None]))
            at = {"min": 0, "max": len(got) - 1, "p95": round(0.95 * (len(got) - 1))}
            return statistics.median(got) if key == "median" else got[at[key]]
        node = node.get(key) if isinstance(node, dict) else None
    return float(node) if isinstance(node, (int, float)) else None


def check_assert(doc, rule):
    """-> (passed, one line for the terminal)"""
    text, a, b, path, op, limit = rule
    x, y = lookup(doc, a, path), lookup(doc, b, path) if b else 1.0
    if x is None or y is None:
        return False, f"FAIL {text}  (no value for {a if x is None else b})"
    if (x == y == math.inf) or y == 0:
        return False, f"FAIL {text}  (no ratio: {x:g} / {y:g})"
    ok = OPS[op](x / y, limit)
    return ok, f"{'PASS' if ok else 'FAIL'} {text}  ({x / y:.3g}" + (f" = {x:g} / {y:g})" if b else ")")


# ------------------------------------------------------------------ command line
async def run_one(peer, scenario, args):
    name, _, arg = scenario.partition(":")
    program = shlex.split(peer["cmd"])[0]
    if not shutil.which(program):
        return {"harness_error": f"not on PATH: {program}", "log": "", "took_s": 0.0}
    b = Bench(peer, args)
    t = now()
    try:
        async with asyncio.timeout(args.scenario_timeout):
            r = await getattr(b, name)(*([arg] if arg else []))
    except Exception as e:
        r = {
            "harness_error": f"{type(e).__name__}: {e}",
            "log": b.s.text()[-800:] if getattr(b, "s", None) else "",
        }
    finally:
        b.down()
    r["took_s"] = round(now() - t, 1)
    return r


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = ap.add_argument
    add("--peers", default="lihil,uvicorn,granian", help="names from --peers-file, with commas; 'all' for every one")
    add("--peers-file", default=str(HERE / "peers.json"))
    add("--cmd", help="measure this command instead of --peers")
    add("--name", default="server", help="its name")
    add("--template", default=str(HERE / "apps/starlette_app.py"), help="its app")
    add("--app-file", default="app.py")
    add("--scenarios", default=DEFAULT, help="with commas; 'all' = " + ",".join(SCENARIOS))
    add("--edits", type=int, default=10)
    add("--ws-edits", type=int, default=3)
    add("--cold-runs", type=int, default=5)
    add("--idle-seconds", type=float, default=20)
    add("--settle", type=float, default=1.5, help="seconds of rest after a server has started")
    add("--timeout", type=float, default=12, help="seconds after which a reload counts as hung")
    add("--scenario-timeout", type=float, default=170)
    add("--workdir", default=tempfile.gettempdir(), help="where the throwaway projects are made")
    add("--keep", action="store_true", help="keep the throwaway projects")
    add("--out", help="JSON file; results are merged into it")
    add("--quiet", action="store_true", help="no JSON on stdout")
    add(
        "--table",
        metavar="JSON",
        help="measure nothing: print the table of a result file (and check --assert)",
    )
    add("--assert", dest="rules", action="append", default=[], type=parse_assert, metavar="RULE",
        help="'A/B:scenario.path>=number' or 'A:scenario.path<=number'; may be repeated")  # fmt: skip
    args = ap.parse_args()
    if args.cmd:
        peers = {args.name: {"cmd": args.cmd, "template": args.template, "app_file": args.app_file}}
    else:
        known = json.loads(Path(args.peers_file).read_text())
        base = Path(args.peers_file).resolve().parent
        names = list(known) if args.peers == "all" else args.peers.split(",")
        if unknown := [n for n in names if n not in known]:
            ap.error(f"not in {args.peers_file}: {', '.join(unknown)} (known: {', '.join(known)})")
        peers = {
            n: {**known[n], "template": str(base / known[n].get("template", "apps/starlette_app.py"))} for n in names
        }
    scenarios = SCENARIOS if args.scenarios == "all" else args.scenarios.split(",")
    kinds = {sc.partition(":")[0] for sc in SCENARIOS}
    if unknown := [sc for sc in scenarios if sc.partition(":")[0] not in kinds]:
        ap.error(f"unknown scenario: {', '.join(unknown)} (known: {', '.join(SCENARIOS)})")
    for text, a, b, path, *_ in args.rules if not args.table else []:
        if a not in peers or (b or a) not in peers or path.partition(".")[0] not in scenarios:
            ap.error(f"--assert {text}: this run does not measure it")
    return args, peers, scenarios


def main():
    args, peers, scenarios = arguments()
    # killed by `timeout`: still stop the server under test
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if args.table:
        doc = json.loads(Path(args.table).read_text())
        print(table(doc))
        return verdict(doc, args.rules)
    meta = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "date": time.strftime("%F %T"),
    }
    this_run = {"meta": meta, "results": {}}  # assertions and the table look at nothing older
    merged = {"meta": meta, "results": {}}
    if args.out and Path(args.out).exists():
        merged = {**json.loads(Path(args.out).read_text()), "meta": meta}
    for sc in scenarios:
        for name, peer in peers.items():
            r = asyncio.run(run_one(peer, sc, args))
            for doc in (this_run, merged):
                doc["results"].setdefault(name, {})[sc] = r
            if args.out:
                Path(args.out).write_text(json.dumps(merged, indent=1))
            note = r.get("harness_error") or ""
            print(f"[{name}] {sc}: {r['took_s']}s {note}", file=sys.stderr, flush=True)
    if not args.quiet:
        print(json.dumps(this_run, indent=1), flush=True)
    print("\n" + table(this_run), file=sys.stderr)
    return verdict(this_run, args.rules)


def verdict(doc, rules):
    results = [check_assert(doc, rule) for rule in rules]
    for _, line in results:
        print(line, file=sys.stderr)
    return 0 if all(ok for ok, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
