/** Whether a link says one place and leads to another. Text that names no place does not mislead. */
export function misleads(link: { textContent: string; href: string }): boolean {
  const named =
    /^\s*(?:https?:\/\/)?(?:[^\s/@]*@)?((?:[\w\u00a1-\uffff-]+\.)+[a-z\u00a1-\uffff]{2,})(?=[/:?#\s]|$)/iu.exec(
      link.textContent,
    )?.[1];
  if (named === undefined || /\.(?:py|js|ts|md|txt|csv|json|html?|ipynb|sh|toml|ya?ml)$/i.test(named)) return false;
  const plain = (host: string): string => host.toLowerCase().replace(/^www\./, "");
  try {
    const target = new URL(link.href);
    return target.protocol !== "mailto:" && plain(new URL(`http://${named}`).hostname) !== plain(target.hostname);
  } catch {
    return true;
  }
}
