"""A JupyterLab of its own: no settings of the user's, no token, and copies of the chapters to run in."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight stay in the document
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
PATIENCE = 60  # seconds for what a machine under load may take; a guard against hangs


@contextmanager
def jupyter_lab(folder, *chapters):
    """Serve copies of these chapters from a folder, and yield the address."""
    for chapter in chapters:
        shutil.copy(ROOT / "book" / f"{chapter}.ipynb", folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    private = {f"JUPYTER_{each}_DIR": str(folder / each.lower()) for each in ("CONFIG", "DATA", "RUNTIME")}
    private |= {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "spaces"),
    }
    path = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )  # the kernel's convac_lib is this
    for name, settings in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    options = ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=", "--no-browser", "--allow-root"]
    options += [f"--ServerApp.root_dir={folder}"]
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | private | {"PYTHONPATH": path},
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(10 * PATIENCE):
            try:
                requests.get(f"{address}/api", timeout=5).raise_for_status()
                break
            except OSError:
                assert server.poll() is None, (folder / "lab.log").read_text()
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()  # which ends its kernels
        server.wait(PATIENCE)


def open_chapter(tab, address, chapter):
    """Open a chapter with a fresh kernel and nothing else beside it."""
    tab.set_default_timeout(1000 * PATIENCE)
    tab.goto(f"{address}/lab/tree/{chapter}.ipynb?reset")
    tab.locator(".jp-NotebookPanel-notebook .jp-Cell").first.wait_for()
    tab.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()


def run_all(tab):
    """Choose Run → Run All Cells."""
    tab.get_by_role("menuitem", name="Run", exact=True).click()
    tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def restart_kernel(tab):
    """Press the toolbar's button, and confirm."""
    tab.locator("[data-jp-item-name=restart]").first.click()
    tab.locator(".jp-Dialog button.jp-mod-accept").click()
    tab.locator(".jp-Dialog").wait_for(state="detached")
    tab.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
