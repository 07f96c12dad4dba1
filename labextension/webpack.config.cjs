// The Python that the hands send to kernels is part of their bundle, as text.
module.exports = { module: { rules: [{ test: /\.py$/, type: "asset/source" }] } };
