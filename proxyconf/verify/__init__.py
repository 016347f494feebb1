"""`proxyconf verify`: start the real proxy, ask it from outside, look at what an origin behind it saw.

    subject.py        what is probed, and what it can do
    answer.py seen.py what a probe asks of the origin, and what the origin saw
    origin/           the probe origin: a process of its own, or an ASGI application for any server
    edge/             clients: HTTP/1.1, HTTP/2, WebSocket, malformed bytes
    probes/           one small declared object per claim
    programs.py runner.py   processes, and the run over all probes
    report/           text, ConformanceReport, JUnit, HTML
"""
