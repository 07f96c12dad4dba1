/** Completion of slash commands: what fits what was typed, and how the list looks. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import type { Command } from "../core/protocol.js";

export interface Suggestion {
  /** What the field holds once it is taken. */
  text: string;
  /** More may follow: the argument. */
  open: boolean;
  argument: string;
  description: string;
}

const MAX_CHOICES = 30;

/** What could complete `typed`, which must be nothing but the beginning of a command or of its argument. */
export function suggestions(commands: readonly Command[], typed: string): Suggestion[] {
  const whole = /^\/([a-z-]*)(?: (\S*))?$/i.exec(typed);
  if (!whole) return [];
  const [, name = "", argument] = whole;
  const wanted = name.toLowerCase();
  if (argument === undefined) {
    return commands
      .filter((command) => command.name.startsWith(wanted))
      .map((command) => ({
        text: `/${command.name}`,
        open: (command.argument ?? "") !== "",
        argument: command.argument ?? "",
        description: command.description ?? "",
      }));
  }
  const choices = commands.find((command) => command.name === wanted)?.choices ?? [];
  return choices
    .filter((choice) => choice.toLowerCase().includes(argument.toLowerCase()) && choice !== argument)
    .slice(0, MAX_CHOICES)
    .map((choice) => ({ text: `/${wanted} ${choice}`, open: false, argument: "", description: "" }));
}

/** The list, `active` highlighted. `choose` is called with the one taken by pointer. */
export function suggestionList(
  list: readonly Suggestion[],
  active: number,
  label: string,
  choose: (suggestion: Suggestion) => void,
): TemplateResult {
  return html`<ul class="commands" id="commands" role="listbox" tabindex="0" aria-label=${label}>
    ${list.map(
      (suggestion, index) =>
        html`<li
          id=${`command-${index}`}
          role="option"
          aria-selected=${index === active ? "true" : "false"}
          @mousedown=${(event: Event) => {
            event.preventDefault(); // the cursor stays in the field
            choose(suggestion);
          }}
        >
          <code>${suggestion.text}</code
          >${suggestion.argument ? html` <span class="args">${suggestion.argument}</span>` : ""}
          <span class="what">${suggestion.description}</span>
        </li>`,
    )}
  </ul>`;
}
