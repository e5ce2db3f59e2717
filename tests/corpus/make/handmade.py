"""Graphs node by node with onnx.helper: forms that a reader meets and no tool here writes at will."""

import os

import common
import handmade_forms
import handmade_layers
import handmade_qoperator
import handmade_refused


def main():
    m = common.Manifest("onnx.helper")
    for part in (handmade_forms, handmade_layers, handmade_qoperator, handmade_refused):
        for build in part.ALL:
            build(m)
    m.save()


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    main()
