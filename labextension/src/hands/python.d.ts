/** Python that is sent to kernels, as text (webpack.config.cjs). */
declare module "*.py" {
  const source: string;
  export default source;
}
