// onnxruntime.mjs FOLDER: runs every network of FOLDER/networks.txt in onnxruntime and compares it with rill's outputs.
//
// Beside NAME.onnx stand NAME.input and NAME.output, little-endian. A line of the list is the name, f32 or f64, and the
// input's sizes. Prints a line a network and the worst of each dtype last; exits 1 if one is further away than the
// tolerance. onnxruntime has no f64 kernel for some ops: such networks are counted, and named.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ort = createRequire(join(process.cwd(), 'package.json'))('onnxruntime-node');
const folder = process.argv[2];
// tolerance: of the largest number that is expected, or of 1.
const dtypes = {
  f32: { name: 'float32', numbers: Float32Array, tolerance: 2e-6 },
  f64: { name: 'float64', numbers: Float64Array, tolerance: 1e-13 },
};

function numbers(name, dtype) {
  const bytes = readFileSync(join(folder, name));
  return new dtype.numbers(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

async function difference(name, dtype, sizes) {
  // Beyond "basic" it fuses x · sigmoid(x) into an op that it has no f64 kernel for.
  const options = { logSeverityLevel: 4, graphOptimizationLevel: dtype === dtypes.f64 ? 'basic' : 'all' };
  const session = await ort.InferenceSession.create(join(folder, `${name}.onnx`), options);
  const input = new ort.Tensor(dtype.name, numbers(`${name}.input`, dtype), sizes);
  const output = (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]].data;
  const expected = numbers(`${name}.output`, dtype);
  if (output.length !== expected.length) return Infinity;
  const unit = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  let worst = 0;
  for (let i = 0; i < expected.length; ++i) {
    const apart = Math.abs(output[i] - expected[i]) / unit;
    // NaN is no agreement.
    if (!(apart <= worst)) worst = Number.isNaN(apart) ? Infinity : apart;
  }
  return worst;
}

const counts = { f32: { passed: 0, failed: 0, absent: 0, worst: 0 }, f64: { passed: 0, failed: 0, absent: 0, worst: 0 } };
for (const line of readFileSync(join(folder, 'networks.txt'), 'utf8').trim().split('\n')) {
  const [name, dtype, ...sizes] = line.split(' ');
  const count = counts[dtype];
  try {
    const apart = await difference(name, dtypes[dtype], sizes.map(Number));
    const near = apart <= dtypes[dtype].tolerance;
    console.log(`${name.padEnd(28)} ${apart.toExponential(1)}${near ? '' : '  FAILED'}`);
    near ? ++count.passed : ++count.failed;
    count.worst = Math.max(count.worst, apart);
  } catch (error) {
    const absent = dtype === 'f64' && /NOT_IMPLEMENTED|Could not find an implementation/.test(error.message);
    console.log(`${name.padEnd(28)} ${absent ? 'no f64 kernel' : 'FAILED'}: ${error.message}`);
    absent ? ++count.absent : ++count.failed;
  }
}
for (const [dtype, { passed, failed, absent, worst }] of Object.entries(counts))
  console.log(`onnxruntime ${dtype}: ${passed} passed, ${failed} failed, ${absent} without a kernel; worst ${worst.toExponential(1)}`);
process.exit(counts.f32.failed || counts.f64.failed || !counts.f32.passed || !counts.f64.passed ? 1 : 0);
