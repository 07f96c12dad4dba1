/** The lazy part of math: TeX to MathML text (unsanitised). */
import temml from "temml";

export function texToMathml(tex: string, display: boolean): string {
  return temml.renderToString(tex, {
    displayMode: display,
    throwOnError: false,
    trust: false,
    maxExpand: 200,
    maxSize: [20, 20],
  });
}
