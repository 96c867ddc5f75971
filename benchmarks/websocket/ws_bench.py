#!/usr/bin/env python3
"""WebSocket benchmark (Linux). Starts every server itself, pins it to one core and the C load generator
(wsload.c) to another, lets the servers take turns, and compares each with a reference of the same run.

    ws_bench.py --servers lihil,fastapi,starlette --work echo,json,hs --out r.json
    ws_bench.py --servers lihil,fastapi --only echo32-c50 --assert 'lihil/fastapi:echo32-c50>=2.2'
    ws_bench.py --add 'mine=lihil run app:app --port {port}' --servers mine,fastapi --work all

  cpu_ratio  messages per CPU-second the server really got, over the reference's: the figure to trust
  ratio      the same per wall-clock second: only on a quiet machine
  p50/p99    round trip (echo) or publish to receipt (fan), microseconds
  cli_cpu    near 1.0 would mean that the load generator is the limit

JSON on stdout; the details, a Markdown table and the assertions on stderr. Exit status: 0, 1 when an --assert
failed, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import operator
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from servers import PY, SERVERS, Server  # noqa: E402

LOAD = HERE / "wsload"
LOGS = HERE / "logs"
JSON_MSG = json.dumps(
    {
        "id": 12345,
        "user": "alice",
        "text": "hello there, this is a chat message of a usual size",
        "tags": ["a", "bb", "ccc"],
        "ts": 1732280000.25,
    },
    separators=(",", ":"),
)
HS = "/web_socket/session123?max_users=5"
ECHO = {  # name: (bytes, connections, messages in flight per connection)
    "echo32-c1": (32, 1, 1),
    "echo32-c50": (32, 50, 1),
    "echo32-c50-p16": (32, 50, 16),
    "echo1k-c50": (1024, 50, 1),
    "echo1k-c50-p16": (1024, 50, 16),
    "echo32-c500": (32, 500, 1),
    "echo32-c500-p16": (32, 500, 16),
}
WORK = ("echo", "json", "hs", "fan", "stall", "mem", "http")


# ------------------------------------------------------------------ processes
def pids_of(pid: int) -> list[int]:
    """The process and all its descendants."""
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                todo += [int(x) for x in Path(f"/proc/{p}/task/{t}/children").read_text().split()]
        except OSError:
            pass
    return out


def rss(pids) -> int:
    """Proportional resident memory, bytes."""
    total = 0
    for p in pids:
        try:
            for line in Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def cpu_ns(pids) -> int:
    """CPU time of all threads, nanoseconds."""
    total = 0
    for p in pids:
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                total += int(Path(f"/proc/{p}/task/{t}/schedstat").read_text().split()[0])
        except OSError:
            pass
    return total


def autogroup(pid, nice):
    """Without this `nice` means nothing between sessions (sched_autogroup)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


class Proc:
    """A running server, pinned to a core."""

    nice = 0

    def __init__(self, name, srv: Server, port, core):
        self.name, self.srv, self.port, self.p, self.problem = name, srv, port, None, ""
        cmd = shlex.split(srv.cmd.replace("{port}", str(port)))
        if srv.needs and not os.environ.get(srv.needs):
            self.problem = f"set {srv.needs}"
        elif not shutil.which(cmd[0]):
            self.problem = f"not found: {os.path.basename(cmd[0])}"
        elif listening(port):
            self.problem = f"port {port} is in use"
        if self.problem:
            return
        self.log = LOGS / f"{name}.log"
        with open(self.log, "w") as log:
            self.p = subprocess.Popen(
                ["taskset", "-c", str(core), *cmd],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **srv.env},
            )
        if Proc.nice:
            autogroup(self.p.pid, Proc.nice)

    def wait(self, t=20):
        """True when the server listens; otherwise self.problem says why not."""
        end = time.time() + t
        while self.p and time.time() < end:
            if self.p.poll() is not None:
                break
            if listening(self.port):
                return True
            time.sleep(0.05)
        if self.p:
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            self.problem = "did not start: " + (last[0].strip()[:100] if last else "no output")
        return False

    def stop(self):
        if self.p and self.p.poll() is None:
            for s in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.p.pid, s)
                except ProcessLookupError:
                    break
                try:
                    self.p.wait(3)
                    break
                except subprocess.TimeoutExpired:
                    pass


# ------------------------------------------------------------------ correctness gate
def ws_check(port, path, sends, timeout=3):
    """Tiny blocking client used as the correctness gate; returns the data messages and the close code."""
    s = socket.create_connection(("127.0.0.1", port), timeout)
    s.settimeout(timeout)
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    b = b""
    while b"\r\n\r\n" not in b:
        d = s.recv(65536)
        if not d:
            raise RuntimeError("no 101: " + b[:80].decode("latin1"))
        b += d
    if b" 101 " not in b[:16]:
        raise RuntimeError("no 101: " + b[:80].decode("latin1"))
    b = b.split(b"\r\n\r\n", 1)[1]
    out, code = [], None

    def take():
        """The next frame: (first byte, payload); None at the end of the stream."""
        nonlocal b
        while True:
            if len(b) >= 2:
                n, h = b[1] & 127, 2
                if n == 126 and len(b) >= 4:
                    n, h = int.from_bytes(b[2:4], "big"), 4
                if not (n == 126 and h == 2) and len(b) >= h + n:
                    f = b[0], b[h : h + n]
                    b = b[h + n :]
                    return f
            d = s.recv(65536)
            if not d:
                return None
            b += d

    mask = b"\x11\x22\x33\x44"

    def put(op, p):
        n = len(p)
        size = bytes([0x80 | n]) if n < 126 else bytes([0x80 | 126]) + n.to_bytes(2, "big")
        s.sendall(bytes([0x80 | op]) + size + mask + bytes(c ^ mask[i & 3] for i, c in enumerate(p)))

    if sends is None:
        while f := take():
            if f[0] & 15 == 8:
                code = int.from_bytes(f[1][:2], "big") if f[1] else 1005
                put(8, f[1][:2])
                break
            out.append(f[1].decode())
    else:
        for m in sends:
            put(1, m.encode())
            while f := take():
                if f[0] & 15 in (1, 2):
                    out.append(f[1].decode())
                    break
    s.close()
    return out, code


def check(p: Proc, work):
    """What the server does wrong; it is only measured when the list is empty."""
    bad = []
    try:
        if "echo" in work and "echo" not in p.srv.skip:
            m = ["a" * 32, "b" * 1024, "ж" * 100]
            if ws_check(p.port, "/echo", m)[0] != m:
                bad.append("echo")
        if "json" in work and "json" not in p.srv.skip:  # noqa: SIM102 - the three read alike
            if json.loads(ws_check(p.port, "/json", [JSON_MSG])[0][0]) != json.loads(JSON_MSG):
                bad.append("json")
        if "hs" in work and "hs" not in p.srv.skip:
            r = ws_check(p.port, HS, None)
            if r[0] != ["Hello, world!"] or r[1] not in (1000, 1005):
                bad.append(f"hs {r}")
    except Exception as e:
        bad.append(f"{type(e).__name__} {e}")
    return bad


# ------------------------------------------------------------------ workloads
def load(p: Proc, core, *args, timeout=60):
    """One run of the load generator against a server."""
    pids = ",".join(map(str, pids_of(p.p.pid)[:12]))
    cmd = ["taskset", "-c", str(core), str(LOAD), "-p", str(p.port), "-S", pids, *map(str, args)]
    try:
        r = subprocess.run(cmd, check=False, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": "timeout"}
    try:
        return json.loads(r.stdout)
    except ValueError:
        return {"error": (r.stderr or "no output")[:200]}


def http(p: Proc, core, secs):
    """GET /hello/bob with wrk, 50 connections."""
    ids = pids_of(p.p.pid)
    c0, t0 = cpu_ns(ids), time.time()
    url = f"http://127.0.0.1:{p.port}/hello/bob"
    cmd = ["taskset", "-c", str(core), "wrk", "-t1", "-c50", f"-d{max(1, round(secs))}s", "--latency", url]
    r = subprocess.run(cmd, check=False, capture_output=True, text=True)
    for line in r.stdout.splitlines():
        if line.startswith("Requests/sec"):
            return {
                "rate": float(line.split()[1]),
                "errs": int("Non-2xx" in r.stdout),
                "srv_cpu": (cpu_ns(ids) - c0) / 1e9 / (time.time() - t0),
            }
    return {"error": r.stdout[-200:]}


def jobs(a):
    """-> [(name in the result, kind for Server.skip, function of a Proc)]"""
    t = ["-t", a.secs, "-w", a.warm]
    deflate = ["-d"] if a.deflate else []
    js = []

    def job(name, kind, *args):
        js.append((name, kind, lambda p: load(p, a.lcore, *args)))

    if "echo" in a.work:
        for name, (size, conns, inflight) in ECHO.items():
            if not a.only or name in a.only:
                job(
                    name,
                    "echo",
                    *["-m", "echo", "-u", "/echo", "-c"],
                    conns,
                    "-i",
                    inflight,
                    "-s",
                    size,
                    *t,
                    *deflate,
                )
    if "json" in a.work:
        job("json-c50", "json", *["-m", "echo", "-u", "/json", "-c", "50", "-i", "1", "-M"], JSON_MSG, *t)
    if "hs" in a.work:
        job("handshake", "hs", "-m", "hs", "-u", HS, "-C", 32, *t)

    def room(srv):
        return (["-j", srv.join] if srv.join else []) + (["-b"] if srv.binary else [])

    if "fan" in a.work:
        for n in a.fan:

            def fan(p, n=n):
                x = room(p.srv) + (["-P", p.srv.publish] if p.srv.publish else [])
                where = ["-m", "fan", "-u", p.srv.room_path]
                return load(p, a.lcore, *where, "-c", n, "-s", 256, "-W", a.window, *x, *t, *deflate)

            js.append((f"fan{n}", "fan", fan))
    if "stall" in a.work:
        # 16 KiB messages to 20 subscribers: stall0 all of them read, stall1 one has stopped reading
        for z in (0, 1):

            def stall(p, z=z):
                pub = (p.srv.publish or "%TS%").replace("%TS%", "%TS%" + "x" * 16000)
                where = ["-m", "fan", "-u", p.srv.room_path + ("" if p.srv.join else str(z))]
                x = [*room(p.srv), "-P", pub, "-t", 1.2, "-w", 1.0]
                return load(p, a.lcore, *where, "-c", 20, "-s", 16400, "-Z", z, *x)

            js.append((f"stall{z}", "fan", stall))
    if "http" in a.work:
        js.append(("http", "http", lambda p: http(p, a.lcore, a.secs)))
    return js


def summary(runs, base):
    """Repetitions of one server on one workload, against the reference's of the same repetition.

    Without a ratio when the reference delivered nothing (stall1 freezes most servers)."""
    ok = [(r, b) for r, b in zip(runs, base, strict=False) if "rate" in r]
    if not ok:
        return {"error": runs[0].get("error", "no result") if runs else "none"}
    med = statistics.median
    e = {}
    ratios = [r["rate"] / b["rate"] for r, b in ok if b.get("rate")]
    if ratios:
        e["ratio"] = round(med(ratios), 3)
        e["spread"] = [round(min(ratios), 3), round(max(ratios), 3)]
    e["rate"] = round(med(r["rate"] for r, _ in ok))
    eff = [r["per_cpu_s"] / b["per_cpu_s"] for r, b in ok if r.get("per_cpu_s") and b.get("per_cpu_s")]
    if eff:
        e["cpu_ratio"] = round(med(eff), 3)
    if got := [r["per_cpu_s"] for r, _ in ok if r.get("per_cpu_s")]:
        e["per_cpu_s"] = round(med(got))
    for k in ("p50_us", "p99_us", "srv_cpu", "cli_cpu"):
        v = [r[k] for r, _ in ok if k in r]
        if v:
            e[k] = round(med(v), 3 if "cpu" in k else 1)
    for k in ("errs", "stalls"):
        if n := sum(r.get(k, 0) for r, _ in ok):
            e[k] = n
    return e


def memory(name, srv, port, a):
    """Memory per idle connection and connect rate, with a.mem_n connections to a fresh server."""
    p = Proc(name, srv, port, a.score)
    try:
        if not p.wait():
            return {"error": p.problem}
        load(p, a.lcore, *["-m", "echo", "-u", "/echo", "-c", "20", "-t", "0.2"])  # warm code paths first
        time.sleep(0.3)
        r0, c0 = rss(pids_of(p.p.pid)), cpu_ns(pids_of(p.p.pid))
        cmd = ["taskset", "-c", str(a.lcore), str(LOAD), "-p", str(port), "-m", "hold", "-u", "/echo"]
        cmd += ["-c", str(a.mem_n), *(["-d"] if a.deflate else [])]
        h = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = h.stdout.readline()
        c1 = cpu_ns(pids_of(p.p.pid))
        time.sleep(0.5)
        r1 = rss(pids_of(p.p.pid))
        h.stdin.close()
        h.wait(10)
        d = json.loads(line)
        d["kib_per_conn"] = round((r1 - r0) / 1024 / max(1, d["connected"]), 2)
        d["rate"] = d.pop("conn_per_s")
        d["per_cpu_s"] = round(d["connected"] / ((c1 - c0) / 1e9))
        return d
    except Exception as e:
        return {"error": repr(e)[:200]}
    finally:
        p.stop()


# ------------------------------------------------------------------ what is printed
def detail(key, tab):
    out = [f"== {key}"]
    for n, e in sorted(tab.items(), key=lambda x: -x[1].get("ratio", 0)):
        out.append(f"  {n:18} " + " ".join(f"{k}={v}" for k, v in e.items()))
    return "\n".join(out)


def short(n):
    return f"{n / 1000:.1f}k" if n >= 1000 else f"{n:.0f}"


def cell(e):
    if not e or "rate" not in e:
        return "error" if e else ""
    text = f"{e['cpu_ratio']:.2f} " if "cpu_ratio" in e else ""
    text += f"({short(e['rate'])}/s)"
    if "kib_per_conn" in e:
        text = f"{e['kib_per_conn']:.1f} KiB, connect {text}"
    if "kept" in e:
        text += f", kept {e['kept']:.0%}"
    return text + (f", errs {e['errs']}" if e.get("errs") else "")


def table(res):
    """Markdown: one row per server; cpu_ratio against the reference, wall-clock rate in brackets."""
    work = res["work"]
    names = list(dict.fromkeys(n for tab in work.values() for n in tab))
    out = [f"| cpu_ratio against {res['ref']} | " + " | ".join(work) + " |", "|---" * (len(work) + 1) + "|"]
    out += [f"| {n} | " + " | ".join(cell(tab.get(n)) for tab in work.values()) + " |" for n in names]
    out += [f"skipped: {n}: {why}" for n, why in res["skipped"].items()]
    return "\n".join(out)


# ------------------------------------------------------------------ assertions
OPS = {">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt}


def parse_assert(text):
    """'A/B:workload[.field]>=number' (a ratio) or 'A:workload.field<=number' (a plain value)."""
    m = re.fullmatch(r"([^/:<>=]+)(?:/([^/:<>=]+))?:([^<>=]+)(>=|<=|==|>|<)([-+.\deE]+)", text.replace(" ", ""))
    try:
        a, b, path, op, limit = m.groups()
        return text, a, b, path, op, float(limit)
    except (AttributeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 'A/B:workload>=number'") from None


def check_assert(res, rule):
    """-> (passed, one line for the terminal)"""
    text, a, b, path, op, limit = rule
    key, _, field = path.partition(".")

    def value(name):
        return res["work"].get(key, {}).get(name, {}).get(field or "cpu_ratio")

    x, y = value(a), value(b) if b else 1
    if not isinstance(x, (int, float)) or not isinstance(y, (int, float)) or not y:
        return False, f"FAIL {text}  (no value)"
    ok = OPS[op](x / y, limit)
    return ok, f"{'PASS' if ok else 'FAIL'} {text}  ({x / y:.3g}" + (f" = {x:g} / {y:g})" if b else ")")


def verdict(res, rules):
    results = [check_assert(res, rule) for rule in rules]
    for _, line in results:
        print(line, file=sys.stderr)
    return 0 if all(ok for ok, _ in results) else 1


# ------------------------------------------------------------------ command line
def versions():
    code = (
        "import importlib.metadata as m, json, platform; d = {'python': platform.python_version()}\n"
        "for n in 'uvicorn uvloop httptools websockets wsproto starlette fastapi litestar blacksheep lihil "
        "granian aiohttp picows socketify msgspec pydantic'.split():\n"
        "    try: d[n] = m.version(n)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(d))"
    )
    r = subprocess.run([PY, "-c", code], check=False, capture_output=True, text=True)
    return json.loads(r.stdout) if r.returncode == 0 else {"error": r.stderr[-200:]}


def arguments():
    cores = sorted(os.sched_getaffinity(0))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = ap.add_argument
    add("--servers", default="lihil,starlette,fastapi", help="with commas; 'all' = " + ",".join(SERVERS))
    add("--ref", default="bare", help="the reference (always measured)")
    add("--add", action="append", default=[], metavar="NAME=COMMAND", help="another server; with {port}")
    add("--work", default="echo", help="with commas, of: " + ",".join(WORK) + "; 'all' = all but stall")
    add("--only", default="", help="subset of the echo configurations: " + ",".join(ECHO))
    add("--reps", type=int, default=3)
    add("--secs", type=float, default=0.7, help="measured seconds per repetition")
    add("--warm", type=float, default=0.15)
    add("--fan", default="100,1000,5000", help="numbers of subscribers")
    add("--window", type=int, default=1, help="publishes in flight (fan)")
    add("--deflate", action="store_true", help="the client offers permessage-deflate, as browsers do")
    add("--mem-n", type=int, default=5000, help="connections held (mem)")
    add("--nice", type=int, default=0, help="priority of servers and load generator (negative: needs root)")
    add("--score", type=int, default=cores[0], help="core of the servers")
    add("--lcore", type=int, default=cores[-1], help="core of the load generator")
    add("--port", type=int, default=18100, help="first of the ports used")
    add("--out", default="", help="also write the JSON to this file, after every workload")
    add("--quiet", action="store_true", help="no JSON on stdout")
    add(
        "--table",
        metavar="JSON",
        help="measure nothing: print the table of a result file (and check --assert)",
    )
    add("--assert", dest="rules", action="append", default=[], type=parse_assert, metavar="RULE",
        help="'A/B:workload[.field]>=number' or 'A:workload.field<=number'; may be repeated")  # fmt: skip
    a = ap.parse_args()
    a.work = set(WORK) - {"stall"} if a.work == "all" else set(a.work.split(","))
    a.only = [x for x in a.only.split(",") if x]
    a.fan = [int(x) for x in a.fan.split(",")]
    reg = dict(SERVERS)
    for x in a.add:
        name, eq, cmd = x.partition("=")
        if not eq:
            ap.error(f"--add {x}: expected NAME=COMMAND")
        reg[name] = Server(cmd)
    wanted = list(reg) if a.servers == "all" else [n for n in a.servers.split(",") if n]
    names = list(dict.fromkeys([a.ref, *wanted]))
    for what, unknown in (
        ("server", [n for n in names if n not in reg]),
        ("workload", sorted(a.work - set(WORK))),
        ("echo configuration", [k for k in a.only if k not in ECHO]),
    ):
        if unknown:
            ap.error(f"unknown {what}: {', '.join(unknown)}")
    keys = {key for key, *_ in jobs(a)} | (a.work & {"mem"})
    for text, x, y, path, *_ in a.rules if not a.table else []:
        if x not in names or (y or x) not in names or path.partition(".")[0] not in keys:
            ap.error(f"--assert {text}: this run does not measure it (workloads: {', '.join(sorted(keys))})")
    return a, reg, names


def prepare(a):
    """Build the load generator, raise the limits, take our core and priority."""
    LOGS.mkdir(exist_ok=True)
    source = HERE / "wsload.c"
    if not LOAD.exists() or LOAD.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", str(LOAD), str(source)], check=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < want:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))
    if a.score == a.lcore:
        print("warning: one core only, server and load generator share it", file=sys.stderr)
    os.sched_setaffinity(0, {a.lcore})
    if a.nice:
        os.setpriority(os.PRIO_PROCESS, 0, a.nice)
        autogroup(os.getpid(), a.nice)
    Proc.nice = a.nice


def measure(a, reg, names, res, save):
    """All workloads but mem: every server is up, the repetitions take turns."""
    procs = []
    try:
        for i, n in enumerate(names):
            procs.append(Proc(n, reg[n], a.port + i, a.score))
        live = []
        for p in procs:
            if not p.wait():
                res["skipped"][p.name] = p.problem
                continue
            bad = check(p, a.work)
            if bad:
                res["skipped"][p.name] = bad
            if not bad or p.name == a.ref:
                live.append(p)
        if a.ref not in [p.name for p in live]:
            sys.exit(f"the reference {a.ref} cannot run: {res['skipped'][a.ref]}")
        for key, kind, run in jobs(a):
            raw = {p.name: [] for p in live if kind not in p.srv.skip}
            for _ in range(a.reps):
                for p in live:
                    if kind not in p.srv.skip:
                        r = run(p)
                        if r.get("srv_cpu"):
                            r["per_cpu_s"] = r["rate"] / r["srv_cpu"]
                        raw[p.name].append(r)
            tab = res["work"][key] = {n: summary(runs, raw.get(a.ref, [])) for n, runs in raw.items()}
            if key == "stall1":  # the share of the rate that the others keep when one stops reading
                for n, e in tab.items():
                    before = res["work"]["stall0"].get(n, {}).get("rate")
                    if before and "error" not in e:
                        e["kept"] = round(e["rate"] / before, 3)
            print(detail(key, tab), file=sys.stderr, flush=True)
            save()
    finally:
        for p in procs:
            p.stop()


def measure_memory(a, reg, names, res):
    tab = res["work"]["mem"] = {}
    for i, n in enumerate(names):
        if "mem" not in reg[n].skip and n not in res["skipped"]:
            tab[n] = memory(n, reg[n], a.port + 100 + i, a)
    b = tab.get(a.ref, {})
    for e in tab.values():
        if "rate" in e and "rate" in b:
            e["ratio"] = round(e["rate"] / b["rate"], 3)
            e["cpu_ratio"] = round(e["per_cpu_s"] / b["per_cpu_s"], 3)
            e["mem_ratio"] = round(e["kib_per_conn"] / b["kib_per_conn"], 3)
    print(detail("mem", tab), file=sys.stderr, flush=True)


def main():
    a, reg, names = arguments()
    if a.table:
        res = json.loads(Path(a.table).read_text())
        print(table(res))
        return verdict(res, a.rules)
    prepare(a)
    args = {k: v for k, v in vars(a).items() if k != "rules"} | {"work": sorted(a.work)}
    meta = {"kernel": platform.release(), "cpus": os.cpu_count(), "date": time.strftime("%F %T")}
    res = {"meta": meta | {"versions": versions()}, "ref": a.ref, "args": args, "skipped": {}, "work": {}}
    if "http" in a.work and not shutil.which("wrk"):
        a.work.discard("http")
        res["skipped"]["workload http"] = "the program wrk is not installed"

    def save():
        if a.out:
            Path(a.out).write_text(json.dumps(res, indent=1))

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # so that a timeout never leaves servers behind
    if a.work - {"mem"}:
        measure(a, reg, names, res, save)
    if "mem" in a.work:
        measure_memory(a, reg, names, res)
    save()
    if not a.quiet:
        print(json.dumps(res, indent=1), flush=True)
    print("\n" + table(res), file=sys.stderr)
    return verdict(res, a.rules)


if __name__ == "__main__":
    sys.exit(main())
