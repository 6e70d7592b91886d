#!/bin/sh
# Writes plugin_pb2.py and plugin_pb2_grpc.py again from the protocol. Needs grpcio-tools, which
# carries a protoc: `pip install grpcio-tools==1.85.1`. PYTHON names another interpreter.
set -eu
cd "$(dirname "$0")"

"${PYTHON:-python3}" -m grpc_tools.protoc -I ../../abi/process/proto \
    --python_out=. --grpc_python_out=. plugin.proto
