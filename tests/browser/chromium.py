"""A headless Chromium driven over the DevTools protocol through a pipe: JSON messages that end with a zero byte."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAMS = ("chromium-headless-shell", "chromium")

# Stands before the page's own drawing function and passes on what is asked for.
DRAW_ONLY = """(() => {
  const figures = %s;
  let draw;
  Object.defineProperty(window, "vegaEmbed", {set: (value) => { draw = value; },
    get: () => async (place, spec, ...rest) => (figures.includes(spec.usermeta.figure) ? draw(place, spec, ...rest) : null)});
})()"""


class Chromium:
    """`with Chromium() as browser`. All requests and the console's errors of the open page are kept."""

    def __enter__(self):
        program = next((p for p in map(shutil.which, PROGRAMS) if p), None)
        if program is None:
            raise FileNotFoundError("no Chromium: install the package chromium-headless-shell")
        self.profile = tempfile.mkdtemp(prefix="attnbench-browser-")
        to_read, self.to = os.pipe()
        self.fro, to_write = os.pipe()

        def pass_pipes():  # the protocol wants descriptors 3 and 4
            a, b = os.dup2(to_read, 50), os.dup2(to_write, 51)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", f"--user-data-dir={self.profile}"],
            preexec_fn=pass_pipes, close_fds=False, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.count, self.rest, self.requests, self.errors = 0, b"", [], []
        self.script = None
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.fro)
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, seconds=60, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + seconds
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def receive(self, until):
        while b"\0" not in self.rest:
            if not select.select([self.fro], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer")
            got = os.read(self.fro, 1 << 20)
            if not got:
                raise RuntimeError("Chromium has ended")
            self.rest += got
        text, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(text)
        parameters = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in parameters["args"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])
        return message

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def open(self, file, width, height=900, scheme="light", figures=None):
        """Opens a file and waits until the report says that its charts are drawn: those of `figures` alone, None: all.
        What is not about charts passes [], for drawing them takes most of the time."""
        if self.script is not None:
            self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=self.script)
            self.script = None
        if figures is not None:
            self.script = self.call("Page.addScriptToEvaluateOnNewDocument", source=DRAW_ONLY % json.dumps(figures))["identifier"]
        self.requests.clear()
        self.errors.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=f"file://{os.path.abspath(file)}")
        until = time.monotonic() + 120
        while self.value("document.documentElement?.dataset.charts") != "drawn":
            if time.monotonic() > until:
                raise TimeoutError(f"the charts of {file} were not drawn; console: {self.errors}")
            time.sleep(0.1)

    def screenshot(self, file, **clip):
        parameters = {"clip": {"scale": 1, **clip}, "captureBeyondViewport": True} if clip else {}
        with open(file, "wb") as out:
            out.write(base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"]))
