#!/bin/sh
# Writes pluginv1/ again from ../proto. Needs Go, and Python with grpcio-tools, which carries a
# protoc: `pip install grpcio-tools==1.85.1`. PYTHON names another interpreter.
set -eu
cd "$(dirname "$0")"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN="$tools" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
GOBIN="$tools" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

package=mortise/abi/process/pluginv1
mappings="--go_opt=Mplugin.proto=$package --go_opt=Mbootstrap.proto=$package"
PATH="$tools:$PATH" "${PYTHON:-python3}" -m grpc_tools.protoc -I ../proto \
    --go_out=. --go_opt=module=mortise/abi/process $mappings \
    --go-grpc_out=. --go-grpc_opt=module=mortise/abi/process \
    --go-grpc_opt=Mplugin.proto="$package" --go-grpc_opt=Mbootstrap.proto="$package" \
    plugin.proto bootstrap.proto
