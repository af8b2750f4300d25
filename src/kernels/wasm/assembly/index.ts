/** The kernels' module: see threads.ts for how it is run. Pointers are byte addresses; tensors are row-major f32. */
export { attention } from "./attention";
export { layCodes, packCodes } from "./codes";
export { ctc, ctcLogProbs, ctcTopK } from "./ctc";
export { causalFsmn, fsmn } from "./fsmn";
export { layerNorm } from "./layerNorm";
export { linear } from "./linear";
export { packRows, packWeight } from "./pack";
export { cholesky } from "./quant/cholesky";
export { divergence } from "./quant/divergence";
export { diagonalOf, gram, mirror, unpackWeight } from "./quant/gram";
export { refineRows, renameCodes, tableSums } from "./quant/refine";
export { gptqRows, outputErrors, roundRows } from "./quant/round";
export { fitScales, scaledExtent, scaledHistogram } from "./quant/scales";
export { quantizeRows } from "./quantizeRows";
export { barrier, start } from "./threads";
