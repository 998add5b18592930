# Make convac_lib importable: installed, in the checkout around this page or, in Colab, cloned and installed.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

if not find_spec("convac_lib"):
    root = next((p for p in Path.cwd().parents if (p / "convac_lib").is_dir()), Path("convac-book").resolve())
    if "google.colab" in sys.modules and not root.exists():
        subprocess.run(["git", "clone", "--quiet", "https://github.com/convac-book/convac-book", root], check=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", root], check=True)
    sys.path.insert(0, str(root))
