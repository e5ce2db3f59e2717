// Runs an ONNX model in ONNX Runtime with graph optimizations off.
// node onnx_runtime.js MODEL PIXELS(float32 file) LOGITS(float32 file, written) N C H W
const fs = require('fs');
const path = require('path');
const ort = require(path.join(process.argv[2], 'onnxruntime-node'));

async function main() {
  const [model, pixels, logits, ...dims] = process.argv.slice(3);
  const session = await ort.InferenceSession.create(model, {graphOptimizationLevel: 'disabled'});
  const bytes = fs.readFileSync(pixels);
  const data = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const input = new ort.Tensor('float32', data, dims.map(Number));
  const result = await session.run({[session.inputNames[0]]: input});
  fs.writeFileSync(logits, Buffer.from(result[session.outputNames[0]].data.buffer));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
