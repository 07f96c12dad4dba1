"""The features of the assistant's hands, window by window: a test that shows it, or the reason why there is none."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "webchat-matrix.md").read_text(encoding="utf-8")
WINDOWS = ("page", "Control UI", "panel", "Notebook 7", "widget", "magics", "`chat`", "`agent`", "Python")
FILES = {
    "web": "tests/e2e/web/test_hands.py",
    "work": "tests/e2e/web/test_work.py",
    "control": "tests/e2e/clawdbot/test_control_ui.py",
    "wire": "tests/conformance/test_events.py",
    "lab": "tests/e2e/lab/test_hands_story.py",
    "every": "tests/gateway/hands/test_every_window.py",
    "cell": "tests/notebook/test_permission.py",
    "story": "tests/cli/test_chat_story.py",
    "chat": "tests/cli/test_chat_hands.py",
    "asks": "tests/cli/test_chat_approvals.py",
    "agent": "tests/cli/test_approvals.py",
    "json": "tests/cli/test_commands.py",
    "client": "tests/client/test_approvals.py",
}
REASONS = {
    "a": "The panel, Notebook 7 and the chat in a cell show the page's element, and one extension serves all three; "
    "the tests of the page and of the panel stand for them.",
    "b": "Clawdbot's Control UI knows a question by its command, a yes or a no to it, and *Stop*; the rest is in the "
    "windows of this package.",
    "c": "Only JupyterLab and Notebook 7 have a notebook to show a cell in.",
    "d": "In a cell a proposal is accepted, also in part, or refused; its text is changed in another window.",
    "e": "`clawdbot agent` and magics ask the questions of their own run alone.",
    "f": "`clawdbot agent` and magics name each call when it begins; the steps of a plan and what a cell prints "
    "meanwhile are in the other windows.",
    "g": "A magic's cell runs until its answer is complete, so a message for the next step comes from another window.",
    "h": "Magics name a change and undo it; lists, differences and *Keep* are in the other windows.",
    "i": "In a cell and in Python a mode is named, not coloured.",
    "j": "An answer in a cell says nothing of its cost.",
}
LAB = "lab::test_a_person_sees_edits_refuses_and_undoes_and_a_phone_shows_it_all"
STORY = "story::test_a_person_sees_edits_refuses_and_undoes_from_the_terminal"
MAGICS = "every::test_a_cell_asks_shows_and_takes_every_answer"
AGENT = "every::test_the_agent_asks_shows_and_takes_every_answer_on_a_terminal"
PYTHON = "every::test_python_decides_watches_and_takes_back"
STOPS = "every::test_python_names_the_session_of_a_question_and_a_stop_takes_it_back"
RED = "every::test_the_unattended_mode_is_set_and_told_everywhere_and_red_in_a_terminal"
WIRE = "wire::test_an_approval_waits_for_a_decision_and_the_first_one_stands"
EDIT = "chat::test_an_edit_is_seen_changed_partly_allowed_and_undone"
PART = "web::test_a_part_is_accepted_one_cell_changed_and_the_model_told_why_not_the_rest"
ASKED = "web::test_questions_of_the_assistant_and_of_a_running_cell_are_answered_in_the_card"
RUN = "web::test_a_run_shows_its_plan_where_it_is_and_what_came_of_it"
KEPT = "web::test_a_run_says_what_it_changed_and_cost_and_keeps_in_step_with_other_windows"
WORK = "work::test_an_edit_is_seen_changed_refused_in_part_done_and_undone"
NONE = ("a", "a")

MATRIX: dict[str, tuple[str, ...]] = {
    "Question with its preview": (
        "web::test_a_question_shows_each_cell_with_its_difference_and_has_no_clock",
        "b",
        LAB,
        *NONE,
        MAGICS,
        STORY,
        AGENT,
        PYTHON,
    ),
    "Yes, once": (
        WORK,
        WIRE,
        LAB,
        *NONE,
        MAGICS,
        "asks::test_a_question_is_shown_at_once_and_yes_runs_the_tool",
        AGENT,
        PYTHON,
    ),
    "Yes, for more than once": (
        "web::test_always_is_for_paths_that_are_shown_first",
        "b",
        "a",
        *NONE,
        MAGICS,
        "chat::test_a_yes_for_the_notebook_is_listed_and_revoked",
        AGENT,
        PYTHON,
    ),
    "Accepted in part": (PART, "b", "a", *NONE, MAGICS, EDIT, AGENT, PYTHON),
    "Changed before the yes": (PART, "b", LAB, *NONE, "d", STORY, AGENT, PYTHON),
    "Refused, with a reason": (
        "web::test_it_is_refused_with_a_reason_and_letters_in_fields_decide_nothing",
        "b",
        LAB,
        *NONE,
        MAGICS,
        STORY,
        AGENT,
        PYTHON,
    ),
    "The assistant's own questions": (
        ASKED,
        "b",
        "a",
        *NONE,
        MAGICS,
        "chat::test_the_assistants_own_question_is_answered",
        AGENT,
        PYTHON,
    ),
    "`input()` of a cell": (
        ASKED,
        "b",
        "a",
        *NONE,
        MAGICS,
        "chat::test_a_run_is_allowed_watched_and_asks_for_its_input",
        AGENT,
        PYTHON,
    ),
    "Stop takes the question back": (
        "work::test_a_run_is_allowed_for_the_notebook_shows_its_results_and_is_revoked",
        "control::test_it_shows_a_reply_growing_and_stops_it",
        "a",
        *NONE,
        "cell::test_interrupting_the_cell_takes_the_question_back",
        "asks::test_ctrl_c_stops_the_run_and_takes_the_question_back",
        "agent::test_ctrl_c_at_the_question_stops_the_run",
        STOPS,
    ),
    "Question of another session": (
        "web::test_a_question_of_another_session_is_a_line_that_takes_no_focus_and_leads_there",
        "b",
        "a",
        *NONE,
        "e",
        "asks::test_the_question_of_another_session_is_named_and_covers_nothing",
        "e",
        STOPS,
    ),
    "Answered in another window": (
        "web::test_cells_code_and_files_are_shown_before_they_are_run_or_written",
        WIRE,
        "a",
        *NONE,
        "cell::test_another_window_that_answers_first_ends_the_prompt_and_the_cell_goes_on",
        "asks::test_a_question_that_another_window_answers_goes_away_and_says_so",
        "agent::test_another_window_answers_for_an_agent_that_waits_and_by_the_command",
        "client::test_another_window_that_is_faster_cancels_the_callback",
    ),
    "Mode shown and set": (
        "web::test_the_mode_is_always_to_be_seen_and_chosen_within_the_cap",
        "b",
        "a",
        *NONE,
        "cell::test_the_mode_is_shown_and_set",
        "chat::test_in_a_mode_that_allows_it_nothing_is_asked_and_the_change_is_told",
        "agent::test_the_mode_of_a_session_is_shown_and_set_and_the_agents_is_taken_back",
        "client::test_the_mode_is_set_before_the_message",
    ),
    "Unattended in red": ("web::test_unattended_is_red_and_says_how_long", "b", "a", *NONE, "i", RED, RED, "i"),
    "Changes listed": ("web::test_the_sessions_menu_lists_its_changes", "b", "a", *NONE, "h", STORY, AGENT, PYTHON),
    "A change shown": (KEPT, "b", "a", *NONE, "h", STORY, AGENT, PYTHON),
    "A change kept": (KEPT, "b", "a", *NONE, "h", STORY, AGENT, PYTHON),
    "A change undone": (WORK, "b", LAB, *NONE, MAGICS, EDIT, AGENT, PYTHON),
    "Conflict shown at the undo": (
        "web::test_an_undo_shows_what_the_person_changed_since_and_asks",
        "b",
        "a",
        *NONE,
        MAGICS,
        "chat::test_an_undo_that_would_lose_the_persons_work_is_refused_and_forced",
        AGENT,
        PYTHON,
    ),
    "Plan, ticked off": (
        RUN,
        "b",
        "a",
        *NONE,
        "f",
        "chat::test_a_plan_is_shown_with_all_that_it_would_do_and_ticked_off",
        "f",
        PYTHON,
    ),
    "Progress of a run": (RUN, "b", "a", *NONE, "f", STORY, "f", PYTHON),
    "Cell shown in its notebook": ("c", "c", LAB, "a", "a", "c", "c", "c", "c"),
    "Message read at the next step": (
        "web::test_a_message_is_given_to_the_running_reply_by_a_button_and_by_a_key",
        "b",
        "a",
        *NONE,
        "g",
        "chat::test_a_line_for_now_is_read_at_the_next_step_and_other_lines_wait_in_the_field",
        "every::test_a_message_of_the_agent_is_read_at_the_next_step",
        "every::test_a_message_of_python_is_read_at_the_next_step",
    ),
    "Citations": (
        "web::test_what_is_cited_from_the_web_stands_under_the_answer_with_safe_links",
        "b",
        "a",
        *NONE,
        MAGICS,
        "chat::test_what_is_cited_from_the_web_is_named_behind_the_answer",
        AGENT,
        PYTHON,
    ),
    "Cost of a run": (KEPT, "b", "a", *NONE, "j", STORY, "json::test_agent_as_json_has_all_a_script_wants", PYTHON),
}


@cache
def names(path: str) -> frozenset[str]:
    """The tests in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


@pytest.mark.parametrize("feature", MATRIX)
def test_each_cell_has_a_test_that_is_there_or_a_reason(feature: str) -> None:
    assert len(MATRIX[feature]) == len(WINDOWS)
    for window, shown in zip(WINDOWS, MATRIX[feature], strict=True):
        file, parted, name = shown.partition("::")
        known = name in names(FILES[file]) if parted else shown in REASONS
        assert known, f"{feature} in {window}: {shown or 'neither a test nor a reason'}"


def test_the_documentation_has_the_same_table_and_the_reasons() -> None:
    used = {shown for row in MATRIX.values() for shown in row if "::" not in shown}
    assert used == set(REASONS)
    rows = [("", *WINDOWS), ("---", *(":-:" for _ in WINDOWS))]
    rows += [(feature, *("yes" if "::" in shown else f"({shown})" for shown in row)) for feature, row in MATRIX.items()]
    table = "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)
    reasons = "\n".join(f"- ({letter}) {reason}" for letter, reason in REASONS.items())
    missing = [part for part in (table, reasons) if part not in PAGE]
    assert not missing, "docs/webchat-matrix.md needs\n\n" + "\n\n".join(missing)
