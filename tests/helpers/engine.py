"""The page's own engine, run by Node and in a worker of a browser."""

import base64
import json
import shutil
import subprocess
import tempfile

from convac_lib.errors import ConvacError
from convac_lib.theory.checker import verify
from convac_lib.visuals.card import DRAWN, ENGINE, resource

SOURCE = "\n".join(resource(f"{part}.js") for part in (*ENGINE, "forgeries", *DRAWN))
NODE = shutil.which("node")

PLAIN = """
const plain = (key, value) => ArrayBuffer.isView(value) ? Array.from(value) :
  typeof value === "bigint" ? String(value) : value;
const plans = networks(generator);
const ranks = engine(plans);
const checker = certificates(plans, ranks);
const naming = forgeries(checker, plans);
const told = (question) => {
  try {
    return question();
  } catch (error) {
    if (!error.refusal) throw error;
    return { refusal: error.message };
  }
};
const bytesOf = (letters) => Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
"""


def module(code):
    """A module's text that sets `answer` to a promise of what a function of the argument gives, as JSON."""
    return f"{SOURCE}\n{PLAIN}\nconst asked = {code};\nconst answer = async (given) => "


def by_node(code, argument):
    """What a JavaScript function gives for an argument, in Node."""
    text = module(code) + (
        'JSON.stringify(await asked(given), plain);\nconst { readFileSync } = await import("node:fs");\n'
        'console.log(await answer(JSON.parse(readFileSync("/dev/stdin"))));'
    )
    with tempfile.NamedTemporaryFile("w", suffix=".mjs", encoding="utf-8") as file:  # too long for an argument
        file.write(text)
        file.flush()
        done = subprocess.run(
            [NODE, file.name], input=json.dumps(argument), capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_page(tab, code, argument):
    """The same, in a tab of a browser."""
    text = module(code) + "JSON.stringify(await asked(given), plain);\nwindow.answer = answer;"
    tab.evaluate("delete window.answer")
    tab.add_script_tag(content=text, type="module")
    tab.wait_for_function("typeof window.answer === 'function'")
    return json.loads(tab.evaluate("given => window.answer(JSON.parse(given))", json.dumps(argument)))


def letters(data):
    """Bytes as text."""
    return base64.b64encode(data).decode()


def plan_of(network):
    """An architecture as the engine takes it."""
    layers = [[each.receptive_field, each.stride, each.channels, each.weight_free] for each in network.layers]
    plan = {"size": network.size, "representation_channels": network.representation_channels, "layers": layers}
    return plan | {"border": network.border, "shared": network.shared}


VERDICTS = """asked => asked.map(given => told(() => {
  const { rank, minor } = checker.verify(bytesOf(given));
  return { rank, minor: minor.length };
}))"""


def verdict(path):
    """What the library says of a certificate's file, as VERDICTS says it of its bytes."""
    try:
        certificate = verify(path)
    except ConvacError as error:
        return {"refusal": str(error)}
    return {"rank": certificate.rank, "minor": certificate.rank**2}
