"""Our Lua libraries in LuaJIT without an Envoy around them, to be asked by laws."""

from importlib import resources
from typing import Any, cast

from lupa import luajit21

PRELUDE = (resources.files("gatefleet") / "filters.lua").read_text()


def library(*names: str, answer: str) -> Any:
    """The value of the Lua expression `answer` behind these libraries; texts are bytes on both sides."""
    sources = [(resources.files("gatefleet") / "lua" / f"{name}.lua").read_text() for name in names]
    runtime: Any = cast("Any", luajit21).LuaRuntime(encoding=None, unpack_returned_tuples=True)
    return runtime.execute("\n".join([PRELUDE, *sources, f"return {answer}"]).encode())
