"""The rules of the house, as a test: layers, sizes, formatting. Prints what is against them; exit 1 if anything is."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])
LINES_MAX = 500

# A pattern in an #include, and the only files of libpki and server that may have it.
ONLY_IN = {
    r"openssl/": r"libpki/(crypto|cms)\.cpp$|server/(tls\w*|sealing|upstream/\w+|store/sealing)\.cpp$",
    r"pqxx/": r"server/store/",
    r"xxhash": r"libpki/index_\w+\.cpp$|server/response_cache\.cpp$",
    r"boost/beast/": r"server/(http_\w+|upstream/\w+)\.[ch]pp$",
    r"boost/asio|boost/intrusive": r"server/(http_\w+|tls|ocsp_handler|(api|platform|upstream|store)/\w+)\.[ch]pp$",
    r"curl/": r"server/list_(fetcher|transfer)\.[ch]pp$",
    r"toml\+\+": r"server/config_section\.hpp$",
    r"CLI/": r"server/commands/commands\.hpp$",
    r"prometheus/": r"server/metrics\.cpp$",
    r"nlohmann/|fmt/": r"server/",
    r"server/": r"server/",
}
BANNED = {
    r"\bstd::(rand|srand|endl)\b": "use a seeded generator, or '\\n'",
    r"\b(TODO|FIXME)\b": "finish it, or file an issue",
}
# g++ 12 destroys twice what a lambda owns, or a braced temporary, inside of a co_await expression.
LAMBDA_BODY = re.compile(r"\](\s*\([^()]*(\([^()]*\)[^()]*)*\))?(\s*mutable)?(\s*->\s*[\w:<>]+)?\s*\{")
HTTP_FREE = ["server/ocsp_service", "server/ingest_service", "server/index_directory", "server/issuer_set"]


def sources():
    for folder in ("libpki", "server", "tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".cpp", ".hpp", ".py", ".sh"}:
                yield path


def awaited(text):
    """The expressions after co_await, with their lines."""
    text = re.sub(r"//.*", "", text)
    for found in re.finditer(r"\bco_await\b", text):
        depth, end = 0, found.end()
        while end < len(text) and depth >= 0 and not (depth == 0 and text[end] in ";,"):
            depth += (text[end] in "([{") - (text[end] in ")]}")
            end += 1
        yield text.count("\n", 0, found.start()) + 1, text[found.end():end]


def without_bodies(expression):
    while body := LAMBDA_BODY.search(expression):
        depth, end = 1, body.end()
        while depth and end < len(expression):
            depth += (expression[end] == "{") - (expression[end] == "}")
            end += 1
        expression = expression[:body.start()] + "]" + expression[end:]
    return expression


def coroutine_faults(text):
    for line, expression in awaited(text):
        for captures in re.findall(r"(?<![\w\])])\[([^\]]*)\]", expression):
            if any(one.strip() and not one.strip().startswith(("&", "this")) for one in captures.split(",")):
                yield f"line {line}: a capture by value inside of co_await; give the lambda a name, or capture by reference"
        if "{" in without_bodies(expression):
            yield f"line {line}: a braced temporary inside of co_await; give it a name"


def faults_of(path):
    name = str(path.relative_to(ROOT))
    text = path.read_text()
    if text.count("\n") > LINES_MAX:
        yield f"{text.count(chr(10))} lines; a file is about one noun and has at most {LINES_MAX}"
    for pattern, cure in BANNED.items():
        for found in re.finditer(pattern, "" if name == "tests/house.py" else text):
            yield f"{found.group(0)}: {cure}"
    if path.suffix not in {".cpp", ".hpp"}:
        return
    yield from coroutine_faults(text)
    if path.suffix == ".hpp" and "#pragma once" not in text:
        yield "no #pragma once"
    if not text.startswith("//") and path.suffix == ".hpp":
        yield "no comment in front that says what the file holds"
    if name.startswith(("libpki/", "server/")):
        includes = re.findall(r'^#include [<"]([^>"]+)', text, re.MULTILINE)
        for include in includes:
            for pattern, allowed in ONLY_IN.items():
                if re.match(pattern, include) and not re.search(allowed, name):
                    yield f"includes {include}, which belongs to {allowed}"
        if any(name.startswith(prefix) for prefix in HTTP_FREE):
            for include in includes:
                if re.search(r"http_(server|connection|parser)", include):
                    yield f"includes {include}; services never see HTTP"
    if name.startswith("tests/authority/") and "libpki/" in text:
        yield "mentions libpki/; one bug must not sit on both sides of a test"


def statement_faults():
    """A name is prepared once a connection: two statements of one name would be one, whichever came first."""
    known = {}
    for path in sources():
        text = path.read_text() if path.suffix == ".cpp" else ""
        for definition in re.findall(r"constexpr [^;=]*\bStatement\b[^;]*?\{[^;]*", text):
            for name in re.findall(r'\{\s*"(\w+)",', definition):
                where = known.setdefault(name, path)
                if where != path or text.count(f'"{name}"') > 1:
                    yield f"{path.relative_to(ROOT)}: the statement {name} is in {where.relative_to(ROOT)}, too"


def main():
    faults = [f"{path.relative_to(ROOT)}: {fault}" for path in sources() for fault in faults_of(path)]
    faults += statement_faults()
    code = [str(path) for path in sources() if path.suffix in {".cpp", ".hpp"}]
    formatted = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *code], capture_output=True, text=True)
    faults += [line for line in formatted.stderr.splitlines() if "error:" in line]
    print("\n".join(faults) or f"the house is in order: {len(code)} files of C++")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
