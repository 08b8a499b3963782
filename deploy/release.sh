#!/usr/bin/env bash
# Makes a release in the folder that the first argument names: static programs, Debian packages, OCI images, a bill of
# materials for each architecture, and SHA256SUMS. The same commit makes the same bytes, on any path and any day:
# `make release-check` compares two runs. `make release` is the usual way to call this.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?name the folder for the files}

# One toolchain makes one binary.
export GOTOOLCHAIN=go1.26.8 GOFLAGS= GOWORK=off CGO_ENABLED=0 GOOS=linux GOAMD64=v1 GOARM64=v8.0 LC_ALL=C TZ=UTC
umask 022

if [[ -e COMMIT ]]; then # the source without its history, as release-check makes it.
  read -r commit SOURCE_DATE_EPOCH <COMMIT
else
  [[ -z $(git status --porcelain) ]] || { echo "the source differs from its commit: commit or remove what git status shows" >&2; exit 1; }
  commit=$(git rev-parse HEAD)
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
fi
export SOURCE_DATE_EPOCH
VERSION=$(sed -n 's/^const Number = "\(.*\)"$/\1/p' cmd/version/version.go)
export VERSION
tag=$(git tag --points-at HEAD --list 'v*' 2>/dev/null || true)
[[ -z $tag || $tag = "v$VERSION" ]] || { echo "the commit has the tag $tag, and cmd/version says $VERSION: make them the same" >&2; exit 1; }
grep -qE "^## ${VERSION//./\\.} - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md || { echo "CHANGELOG.md has no dated section of $VERSION" >&2; exit 1; }

rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The tools, as tools/go.sum pins them, for this machine.
(cd tools && GOOS= GOARCH= go build -trimpath -buildvcs=false -o "$work/bin/" github.com/goreleaser/nfpm/v2/cmd/nfpm github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)
GOOS= GOARCH= go build -trimpath -buildvcs=false -o "$work/bin/" ./deploy/image ./cmd/kvs
"$work/bin/kvs" completion bash >"$work/kvs.bash"

for ARCH in amd64 arm64; do
  export ARCH GOARCH=$ARCH STAGE=$work/$ARCH
  name=kvs_${VERSION}_linux_$ARCH
  mkdir -p "$STAGE/$name"
  go build -trimpath -buildvcs=false -ldflags "-s -w -X kvs/cmd/version.commit=${commit:0:12}" -o "$STAGE" ./cmd/kvs ./cmd/kvsim
  cp "$work/kvs.bash" "$STAGE"

  cp "$STAGE/kvs" "$STAGE/kvsim" "$STAGE/kvs.bash" README.md CHANGELOG.md LICENSE "$STAGE/$name"
  chmod 0755 "$STAGE/$name"/kvs{,im}
  chmod 0644 "$STAGE/$name"/{kvs.bash,README.md,CHANGELOG.md,LICENSE}
  tar --create --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --directory "$STAGE" "$name" | gzip --best --no-name >"$out/$name.tar.gz"

  # The bill of materials is what the program says of its own modules.
  "$work/bin/cyclonedx-gomod" bin -json -std -noserial -notimestamp -version "$VERSION" -output "$out/$name.cdx.json" "$STAGE/kvs" 2>"$work/sbom.log" ||
    { cat "$work/sbom.log" >&2; exit 1; }
  "$work/bin/nfpm" package --config deploy/debian/nfpm.yaml --packager deb --target "$out/kvs_${VERSION}_$ARCH.deb" >/dev/null
  mkdir "$STAGE/context"
  cp "$STAGE/kvs" "$STAGE/context"
  "$work/bin/image" --dockerfile Dockerfile --context "$STAGE/context" --arch "$ARCH" --name "kvs:$VERSION" \
    --created "$SOURCE_DATE_EPOCH" --output "$out/kvs_${VERSION}_oci_$ARCH.tar"
done

(cd "$out" && sha256sum -- * >SHA256SUMS)
echo "kvs $VERSION of commit $commit, by $(go env GOVERSION):"
cat "$out/SHA256SUMS"
