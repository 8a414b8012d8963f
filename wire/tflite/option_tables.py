"""What stands in an operator's options: for each of their tables its name and its fields' kinds.

Kinds are those of `wire.tflite.flatbuffer`, in the order of the fields.
Source: LiteRT's schema.fbs, unions BuiltinOptions and BuiltinOptions2 (also in
``ai_edge_litert.schema_py_generated``); fields that it calls deprecated stand in older files. The
field ``quant_spec`` of FullyConnected is not here: nothing says what its bytes are.
"""

from typing import Final, NamedTuple


class OptionTable(NamedTuple):
    """One kind of options."""

    name: str
    """Without the schema's ``Options`` at its end."""
    kinds: str


def _tables(text: str) -> tuple[OptionTable, ...]:
    return tuple(OptionTable(*word.split(":")) for word in text.split())


OPTIONS: Final = _tables("""
Conv2D:biibiib DepthwiseConv2D:biiibii ConcatEmbeddings:i44 LSHProjection:b Pool2D:biiiib SVDF:ibb
RNN:bb FullyConnected:bbbbb Softmax:f Concatenation:ib Add:bb L2Norm:b
LocalResponseNormalization:ifff LSTM:bffbb ResizeBilinear:iibb Call:I Reshape:4 SkipGram:iib
SpaceToDepth:i EmbeddingLookupSparse:b Mul:b Pad: Gather:ii BatchToSpaceND: SpaceToBatchND:
Transpose: Reducer:b Sub:bb Div:b Squeeze:4 SequenceRNN:bbb StridedSlice:iiiiib Exp: TopKV2:
Split:i LogSoftmax: Cast:bb Dequantize: MaximumMinimum: ArgMax:b Less: Neg: PadV2: Greater:
GreaterEqual: LessEqual: Select: Slice: TransposeConv:biibb SparseToDense:b Tile: ExpandDims:
Equal: NotEqual: Shape:b Pow: ArgMin:b FakeQuant:ffib Pack:ii LogicalOr: OneHot:i LogicalAnd:
LogicalNot: Unpack:ii FloorDiv: Square: ZerosLike: Fill: BidirectionalSequenceLSTM:bffbbb
BidirectionalSequenceRNN:bbbb UnidirectionalSequenceLSTM:bffbbb FloorMod: Range:
ResizeNearestNeighbor:bb LeakyRelu:f SquaredDifference: MirrorPad:b Abs: SplitV:i Unique:b
ReverseV2: AddN: GatherNd: Cos: Where: Rank: ReverseSequence:ii MatrixDiag: Quantize:
MatrixSetDiag: HardSwish: If:ii While:ii DepthToSpace:i NonMaxSuppressionV4: NonMaxSuppressionV5:
ScatterNd: SelectV2: Densify: SegmentSum: BatchMatMul:bbb Cumsum:bb CallOnce:i BroadcastTo:
Rfft2d: Conv3D:biiibiii Hashtable:ibb HashtableFind: HashtableImport: HashtableSize: VarHandle:ss
ReadVariable: AssignVariable: Random:qq Bucketize:4 Gelu:b DynamicUpdateSlice:
UnsortedSegmentProd: UnsortedSegmentMax: UnsortedSegmentMin: UnsortedSegmentSum: ATan2: Sign:
Bitcast: BitwiseXor: RightShift:
""")
"""Of ``builtin_options``; the first has the number 1."""

OPTIONS_2: Final = _tables("""
StablehloConcatenate:q StablehloBroadcastInDim:8 StablehloSlice:888
StablehloConvolution:88881qq8qq8qq8qq4 StablehloCustomCall:sbsi41 StablehloReduce:8i
StablehloScatter:b888qbi StablehloCompare:II StablehloDynamicSlice:8 StablehloPad:888
StablehloIota:q StablehloDotGeneral:88884 StablehloReduceWindow:88888i StablehloSort:qbi
StablehloWhile:ii StablehloGather:888q8b StablehloTranspose:8 Dilate: StablehloRngBitGenerator:b
ReduceWindow:i StableHLOComposite:si1bi StablehloShiftLeft: StablehloCase:4
""")
"""Of ``builtin_options_2``; the first has the number 1."""
