/** Earlier inputs, walked with the arrow keys as in a shell. What stood in the field comes back at the end. */
export class Recall {
  private list: readonly string[] = [];
  private at = -1;
  private begun = "";

  /**
   * The input that takes the place of `text`, or `undefined` where the key only moves the cursor.
   *
   * @param caret where the cursor is: earlier inputs begin at the very beginning, and go on at the end
   * @param inputs newest first
   */
  step(key: "ArrowUp" | "ArrowDown", text: string, caret: number, inputs: readonly string[]): string | undefined {
    const walking = this.at >= 0 && this.list[this.at] === text && caret === text.length;
    if (key === "ArrowDown") return walking ? this.newer() : undefined;
    if (walking) return this.older();
    if (caret !== 0) return undefined;
    this.list = [...new Set(inputs)].filter((each) => each !== "" && each !== text);
    this.at = -1;
    this.begun = text;
    return this.older();
  }

  private older(): string | undefined {
    return this.at + 1 < this.list.length ? this.list[++this.at] : undefined;
  }

  private newer(): string | undefined {
    this.at -= 1;
    return this.at < 0 ? this.begun : this.list[this.at];
  }
}
