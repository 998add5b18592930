# @title Set up
# convac_lib is installed, or in the checkout around this page, or Colab installs what is PUBLISHED.
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

PUBLISHED = None  # `make address` writes here what pip installs


def obstacle():
    """Why the library, with all that it needs, cannot be imported; None if it can."""
    try:
        import convac_lib.__main__
    except Exception as error:
        for name in [name for name in sys.modules if name.split(".")[0] == "convac_lib"]:
            del sys.modules[name]  # half a library would hide a whole one
        return error
    later = """array_api_compat anywidget distributed filelock flint ipywidgets matplotlib numpy PIL
        pooch psutil requests safetensors scipy sklearn threadpoolctl torch tqdm""".split()
    return next((f"No module named {name!r}" for name in later if not find_spec(name)), None)


if obstacle():
    sys.path[:0] = [str(p) for p in (Path.cwd(), *Path.cwd().parents) if (p / "convac_lib/__main__.py").is_file()][:1]
if PUBLISHED and "google.colab" in sys.modules and obstacle():
    pip = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", PUBLISHED], capture_output=True, text=True)
    print(pip.stderr if pip.returncode else "", end="")
    invalidate_caches()
if why := obstacle():
    remedy = "this copy of the book is not published yet, so run `make lab` in its folder on your own computer"
    remedy = f"run %pip install '{PUBLISHED}' and then this cell again" if PUBLISHED else remedy
    raise ImportError(f"convac_lib cannot be imported ({why}): {remedy}")
