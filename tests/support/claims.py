"""The claims of the pages on notebooks and Hubs, each with the tests that hold it.

A row is a phrase as it stands on the page and the names of the tests. ``tests/test_docs.py`` keeps the rows true: the
phrase stands there, the tests exist, and every sentence of the page has a row or is named as one that promises nothing.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\n\s*\n|\n(?=- |\d+\. |\| )")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z`*%{])")


def sentences(page: str) -> list[str]:
    """The sentences, list items and table rows of a Markdown page, each on one line, without headings and code."""
    found = []
    for block in _BLOCK.split(_FENCE.sub("\n", page)):
        line = " ".join(block.split())
        if line.startswith("#") or re.fullmatch(r"[|\s:-]*", line):
            continue
        found += [line] if line.startswith("|") else _SENTENCE_END.split(line)
    return found


NOTEBOOK = [
    ("It comes with the extra `notebook`", ["test_the_widget_names_the_extra_that_brings_it"]),
    (
        "a panel beside the notebook, a widget in a cell, magics",
        ["test_two_widgets_and_a_panel_are_one_client_and_a_reload_brings_the_panel_back"],
    ),
    ("let the assistant work in the notebooks that are open there", ["test_notebook_7_has_the_same_hands"]),
    ("It reads and changes the live document", ["test_the_page_lists_and_reads_its_notebooks"]),
    ("what is in view stay, though you type", ["test_the_cursor_the_selection_and_the_view_stay"]),
    ("A batch of changes is made whole", ["test_a_mismatch_changes_nothing_and_gives_the_present_text"]),
    ("in a cell takes back what was done there", ["test_a_batch_is_one_step_of_undo_a_cell_and_one_of_the_notebook"]),
    (
        "A changed cell has a line at its foot",
        ["test_a_changed_cell_has_a_mark_that_takes_no_focus_and_goes_with_the_next_edit"],
    ),
    ("Read-only notebooks stay as they are", ["test_read_only_cells_and_notebooks_are_left_alone"]),
    ("A cell that asks by `input()`", ["test_input_is_answered_from_elsewhere_or_in_lab_and_takes_no_focus"]),
    ("A run stops at the first error", ["test_it_stops_at_the_first_error_and_says_what_it_was"]),
    (
        "Two pages of one notebook are two documents",
        ["test_a_read_only_notebook_says_so_and_a_second_page_is_noticed"],
    ),
    ("The assistant's tools work there", ["test_a_batch_is_applied_whole_and_says_what_was_before"]),
    ("What is hidden stays hidden", ["test_no_path_leads_out", "test_no_link_leads_out"]),
    ("A batch of edits is made whole", ["test_one_wrong_revision_changes_nothing_and_gives_the_present_text"]),
    (
        "A copy of the file from before the first edit",
        ["test_a_copy_is_kept_before_the_first_edit_and_before_one_after_a_persons"],
    ),
    (
        "A notebook that has a session may be open",
        ["test_a_notebook_with_a_session_may_be_open_and_is_not_written_under"],
    ),
    (
        "the change is made in their room",
        [
            "test_an_edit_is_made_in_the_room_and_the_page_sees_it",
            "test_a_text_in_a_room_is_read_and_written_there",
        ],
    ),
    (
        "Cells run in the notebook's kernel",
        [
            "test_cells_of_a_closed_notebook_run_and_their_outputs_are_in_its_file",
            "test_a_hundred_megabytes_of_output_take_little_memory",
        ],
    ),
    (
        "The cell runs on when the gateway ends",
        ["test_a_relaying_server_is_a_node_too_and_stays_one_when_it_takes_over"],
    ),
    (
        "A notebook older than nbformat 4.5",
        [
            "test_cells_of_an_older_format_keep_ids_that_are_not_in_the_file",
            "test_a_notebook_of_format_3_is_read_and_not_converted_by_an_edit",
        ],
    ),
    (
        "looks up docs while a cell runs",
        ["test_variables_and_docs_are_told_also_while_a_cell_runs"],
    ),
    ("It can try code in a copy", ["test_a_try_tells_the_effect_and_changes_nothing"]),
    (
        "`policy.disabled` holds here",
        ["test_what_the_administrator_and_jupyters_authorizer_do_not_allow_is_refused"],
    ),
    ("speech bubble at the right side", ["test_it_answers_knows_the_cell_in_front_and_puts_code_into_the_notebook"]),
    ("`Alt C` in the panel closes it", ["test_esc_goes_back_to_the_notebook_and_a_second_alt_c_closes_the_panel"]),
    (
        "A reload brings back the panel",
        ["test_two_widgets_and_a_panel_are_one_client_and_a_reload_brings_the_panel_back"],
    ),
    ("In Notebook 7 the panel", ["test_notebook_7_has_the_widget_the_panel_and_the_commands"]),
    ("*Last error*", ["test_an_error_is_sent_with_its_cell_by_one_button"]),
    ("*Selected text*", ["test_selected_text_is_what_is_selected_in_a_cell_or_its_output"]),
    ("a variable's name", ["test_variables_of_the_kernel_can_go_along"]),
    ("stays about cell 1", ["test_ask_is_about_its_cell_whatever_is_clicked_afterwards"]),
    ("holds the message back", ["test_a_busy_kernel_is_told_to_the_person_and_nothing_to_the_model"]),
    ("*Preview* shows all", ["test_the_preview_shows_exactly_what_goes_along_with_its_size"]),
    ("need not have this package", ["test_variables_need_nothing_of_ours_in_the_kernel_and_say_what_was_left_out"]),
    ("Commands (`/status`) take nothing", ["test_a_command_beside_a_notebook_is_answered_without_the_model"]),
    ("Cells that are dragged", ["test_dropped_cells_stay_until_they_are_sent"]),
    (
        "files of Lab's file browser become",
        ["test_files_of_the_file_browser_are_attached_by_a_drag_and_a_folder_says_why_not"],
    ),
    ("The buttons name the cell", ["test_replace_names_and_replaces_the_cell_that_was_asked_about"]),
    (
        "reload and in another tab, too",
        ["test_the_cell_is_found_after_a_reload_in_a_second_tab_and_when_it_has_moved"],
    ),
    ("the difference is shown first", ["test_a_cell_that_has_changed_since_is_shown_with_the_difference_first"]),
    ("A read-only cell stays", ["test_read_only_cells_and_prose_are_not_replaced_by_code"]),
    ("*Insert and run* is there", ["test_only_the_kernels_language_is_run_and_only_failed_cells_are_fixed"]),
    ("a button that opens it", ["test_a_closed_notebook_is_opened_by_the_button"]),
    ("Characters that cannot be seen", ["test_r12_hidden_characters_in_code_are_shown_and_do_not_run"]),
    (
        "The chat in a cell of JupyterLab has the same",
        ["test_a_question_that_waited_and_a_chat_in_a_cell_know_the_cell_too"],
    ),
    ("answers while other cells run", ["test_the_widget_answers_while_a_cell_runs_and_its_keys_change_no_cell"]),
    ("`await reply` does too", ["test_python_asks_and_the_widget_shows_it"]),
    ("`on_message` hears", ["test_on_message_hears_questions_and_answers_once_each"]),
    (
        "what a variable holds has the variable's name",
        ["test_a_displayed_widget_says_in_html_how_to_see_it_and_its_chips_have_the_variables_names"],
    ),
    ("nothing of it starts by itself", ["test_r11_a_saved_chat_is_inert_until_its_kernel_answers"]),
    (
        "A notebook that is opened again says",
        ["test_a_notebook_opened_again_says_how_to_open_the_chat_and_a_reload_brings_it_back"],
    ),
    (
        "in the colours and the language of Lab",
        ["test_it_follows_the_theme_while_it_is_shown_and_has_the_buttons_on_code"],
    ),
    ("frames go through the kernel", ["test_frames_go_through_the_kernel_and_the_chat_says_so"]),
    (
        "the chat of that session through the kernel",
        [
            "test_r13_in_a_page_of_voila_the_chat_is_of_one_session_and_works",
            "test_r13_a_real_page_of_voila_shows_the_chat_of_one_session_and_it_answers",
            "test_r13_a_visitor_has_the_chat_of_one_session_and_no_more",
        ],
    ),
    ("| `%%clawdbot --var df`", ["test_values_and_variables_go_along"]),
    ("| `%%clawdbot --insert`", ["test_insert_puts_the_code_of_the_reply_into_the_next_cell"]),
    ("| `%%clawdbot --keep-going`", ["test_with_keep_going_all_cells_run"]),
    ("| `%clawdbot ask …`", ["test_the_options_of_the_cell_go_with_a_line_too"]),
    ("| `%clawdbot fix …`", ["test_fix_sends_the_failed_cell_with_its_traceback"]),
    ("`use KEY`", ["test_the_sessions_of_the_gateway_are_listed_chosen_and_made"]),
    (
        "Answers are stored in the notebook as HTML",
        ["test_a_bundle_has_no_markdown_and_nothing_that_steers_a_terminal"],
    ),
    ("may end in a question mark", ["test_a_line_is_sent_as_it_stands_and_not_taken_for_help", "test_help_stays_help"]),
    ("the answer is printed as it comes", ["test_a_terminal_prints_the_answer_once"]),
    ("takes the first block that is marked as Python", ["test_the_code_of_a_reply_is_its_python"]),
    (
        "shows a link to the page as your browser reaches it",
        [
            "test_the_link_of_web_leads_to_the_page_of_this_server",
            "test_the_link_of_the_magic_leads_to_the_users_own_page_behind_the_hub",
        ],
    ),
    ("it opens the page, too", ["test_a_browser_is_opened_only_where_the_person_sees_it"]),
    ("as in an f-string", ["test_a_field_is_replaced_as_in_an_f_string"]),
    ("What stays as it is", ["test_braces_of_code_and_text_stay"]),
    ("of which there is no variable", ["test_a_name_that_no_variable_has_stays_and_is_reported"]),
    ("fails the cell with its error", ["test_a_field_that_fails_is_told"]),
    ("without a traceback", ["test_run_all_stops_at_a_failure_with_a_sentence"]),
    ("papermill and `nbconvert --execute`", ["test_nbconvert_and_papermill_stop_there"]),
    ("a gateway that is gone", ["test_a_gateway_that_dies_in_the_middle_fails_the_cell_and_the_next_one_serves"]),
    ("Interrupting the cell", ["test_interrupting_the_cell_stops_the_reply_and_keeps_what_is_there"]),
    ("they are in Korean", ["test_in_korean_where_the_environment_is"]),
    ("gives the same methods to `await`", ["test_the_asynchronous_face_raises_the_same"]),
    (
        "Attachments are paths, bytes",
        [
            "test_frames_figures_and_values_go_along",
            "test_a_figure_of_matplotlib_goes_along_as_a_picture",
        ],
    ),
    ("`model=` chooses", ["test_a_model_can_be_chosen_with_the_question"]),
    ("language of the environment, or `locale=`", ["test_texts_come_in_the_language_of_the_environment"]),
    ("`clawdbot_ext.ReplyFailed`", ["test_an_error_of_the_model_is_raised_with_what_had_been_written"]),
    (
        "`clawdbot_ext.client.Closed`",
        [
            "test_what_is_asked_of_a_closed_client_is_told_so",
            "test_who_waits_for_a_reply_hears_that_the_client_was_closed",
        ],
    ),
    (
        "`clawdbot_ext.protocol.errors.GatewayError`",
        ["test_errors_of_the_gateway_are_raised_as_the_gateway_raised_them"],
    ),
    (
        "No token, no key and no address",
        ["test_a_saved_notebook_converts_without_secrets_and_without_the_widgets_conversation"],
    ),
    (
        "They are kept without outputs",
        ["test_an_example_is_kept_without_outputs", "test_an_example_runs_without_an_api_key"],
    ),
    (
        "windows on the session `main` of one gateway",
        ["test_the_first_server_of_a_state_directory_is_its_gateway_and_gives_it_up_at_its_end"],
    ),
    ("JupyterLab (4.4 or newer)", ["test_installing_the_wheel_enables_the_labextension"]),
    ("need no API key", ["test_an_example_runs_without_an_api_key"]),
    (
        "moved to the left side in Lab's settings",
        ["test_lab_settings_choose_the_side_and_what_goes_along_and_the_launcher_opens_a_tab"],
    ),
    ("*View* › *Open Clawdbot*", ["test_notebook_7_has_the_widget_the_panel_and_the_commands"]),
    ("share one connection", ["test_two_widgets_and_a_panel_are_one_client_and_a_reload_brings_the_panel_back"]),
    (
        "opens the chat in a tab of the browser",
        ["test_notebook_7_opens_the_chat_in_a_tab_of_the_browser_and_offers_no_tab_of_its_own"],
    ),
    ("are in Lab's language", ["test_the_settings_page_of_a_korean_lab_is_in_korean"]),
    (
        "say what goes along with the next message",
        ["test_it_answers_knows_the_cell_in_front_and_puts_code_into_the_notebook"],
    ),
    (
        "| *Cell 3* (on) |",
        [
            "test_ask_is_about_its_cell_whatever_is_clicked_afterwards",
            "test_the_preview_shows_exactly_what_goes_along_with_its_size",
        ],
    ),
    ("| *Notebook* |", ["test_lab_settings_choose_the_side_and_what_goes_along_and_the_launcher_opens_a_tab"]),
    (
        "The setting *What goes along by default*",
        ["test_lab_settings_choose_the_side_and_what_goes_along_and_the_launcher_opens_a_tab"],
    ),
    (
        "can be put below the cell",
        [
            "test_it_answers_knows_the_cell_in_front_and_puts_code_into_the_notebook",
            "test_replace_names_and_replaces_the_cell_that_was_asked_about",
        ],
    ),
    ("one step of undo", ["test_replace_names_and_replaces_the_cell_that_was_asked_about"]),
    (
        "without a cell is put below the active one",
        ["test_it_answers_knows_the_cell_in_front_and_puts_code_into_the_notebook"],
    ),
    (
        "ask about just that cell",
        [
            "test_ask_is_about_its_cell_whatever_is_clicked_afterwards",
            "test_only_the_kernels_language_is_run_and_only_failed_cells_are_fixed",
        ],
    ),
    (
        "What is saved with the notebook is at most",
        ["test_a_saved_notebook_converts_without_secrets_and_without_the_widgets_conversation"],
    ),
    ("show anywidgets instead", ["test_frames_go_through_the_kernel_and_the_chat_says_so"]),
    ("anywidget's extension for Lab runs the code", ["test_r11_installing_us_adds_nobody_elses_code_to_lab"]),
    ("shows widgets as those programs do", ["test_frames_go_through_the_kernel_and_the_chat_says_so"]),
    ("Tools do nothing for them", ["test_r13_tools_do_nothing_for_a_guest_in_whatever_mode_the_session_is"]),
    ("all of them in the same session", ["test_r13_a_visitor_has_the_chat_of_one_session_and_no_more"]),
    (
        "drawn by the package's extension",
        ["test_r13_a_real_page_of_voila_shows_the_chat_of_one_session_and_it_answers"],
    ),
    ('say `view="chat"` there', ["test_r13_a_visitor_has_the_chat_of_one_session_and_no_more"]),
    (
        "| `%%clawdbot` |",
        [
            "test_the_cell_is_the_question_and_the_reply_is_stored_as_markdown",
            "test_a_value_goes_in_as_in_an_f_string_and_code_stays",
        ],
    ),
    ("| `%%clawdbot --raw` |", ["test_a_value_goes_in_as_in_an_f_string_and_code_stays"]),
    ("| `%%clawdbot -s KEY -m MODEL` |", ["test_the_options_of_the_cell_go_with_a_line_too"]),
    ("| `%clawdbot explain …` |", ["test_fix_sends_the_failed_cell_with_its_traceback"]),
    ("never inserts the code of another language", ["test_the_code_of_a_reply_is_its_python"]),
    ("`{spread:.1f}`, `{name!r}`, `{len(rows)}`", ["test_a_field_is_replaced_as_in_an_f_string"]),
    ("at least one name, and no space", ["test_braces_of_code_and_text_stay"]),
    ("everything within other braces", ["test_braces_of_code_and_text_stay"]),
    ("math (`$x_{i}$`), f-strings", ["test_braces_of_code_and_text_stay"]),
    ("- everything, with `--raw`", ["test_a_value_goes_in_as_in_an_f_string_and_code_stays"]),
    ("What had been written stays", ["test_a_gateway_that_dies_in_the_middle_fails_the_cell_and_the_next_one_serves"]),
    (
        "the sentence is the output, and the next cell runs",
        ["test_with_keep_going_all_cells_run", "test_with_keep_going_it_is_an_output_and_no_failure"],
    ),
    (
        "| `clawdbot_ext.client.ClientError` |",
        [
            "test_nobody_listening_is_unreachable_and_says_why",
            "test_a_lost_connection_fails_what_waits_and_tells_the_listeners",
        ],
    ),
    (
        "| `clawdbot_ext.client.endpoint.NoGateway` |",
        ["test_without_a_gateway_the_exit_code_is_3_and_the_way_out_is_named"],
    ),
    (
        "Of a widget the session's name and the height",
        ["test_a_saved_notebook_converts_without_secrets_and_without_the_widgets_conversation"],
    ),
    ("The tests run all of them", ["test_an_example_runs_without_an_api_key"]),
    ("ask, fix an error, go on in the terminal", ["test_an_example_runs_without_an_api_key"]),
    ("the chat in a cell, from Python, in a layout", ["test_an_example_runs_without_an_api_key"]),
    ("| `%clawdbot mode MODE` |", ["test_the_mode_is_shown_and_set"]),
    ("| `%clawdbot undo` |", ["test_the_mode_is_shown_and_set"]),
    (
        "the cell shows what it wants to do (a diff per cell",
        ["test_the_question_is_answered_in_the_cell", "test_a_preview_is_markdown_with_a_diff_per_cell"],
    ),
    ("The answers are those of [the terminal]", ["test_an_answer_is_a_decision"]),
    (
        "Another window may answer meanwhile",
        ["test_another_window_that_answers_first_ends_the_prompt_and_the_cell_goes_on"],
    ),
    (
        "the prompt ends, and the cell says",
        ["test_another_window_that_answers_first_ends_the_prompt_and_the_cell_goes_on"],
    ),
    ("Interrupting the cell takes the question back", ["test_interrupting_the_cell_takes_the_question_back"]),
    (
        "the question is refused at once",
        ["test_where_no_person_can_be_asked_it_is_refused_at_once_and_the_cell_fails"],
    ),
    (
        "Without `on_approval` a question waits",
        ["test_a_question_that_was_missed_while_away_is_told_after_coming_back"],
    ),
    (
        "With it, one that another window answers first",
        [
            "test_another_window_that_is_faster_cancels_the_callback",
            "test_a_decision_that_comes_too_late_is_no_failure",
        ],
    ),
    ("`mode=` is set for the session before the message", ["test_the_mode_is_set_before_the_message"]),
    (
        '`when="now"` is for a reply that is being written',
        ["test_a_reply_of_another_window_is_steered_from_here"],
    ),
    ("all of `%clawdbot` and `%%clawdbot`", ["test_an_example_runs_without_an_api_key"]),
    ("what the assistant sees of a frame; wants pandas", ["test_an_example_runs_without_an_api_key"]),
    (
        "the same session in the notebook, the terminal, the browser and Python",
        ["test_an_example_runs_without_an_api_key"],
    ),
]

HUBS = [
    ("it opens no port", ["test_there_is_no_second_port_and_no_login_of_ours"]),
    ("use `JUPYTERHUB_API_TOKEN`", ["test_the_command_line_and_kernels_find_the_mount_by_what_the_hub_gives_them"]),
    (
        "they chat there and decide nothing",
        ["test_s17_whom_the_hub_lets_into_a_users_server_is_no_owner_there"],
    ),
    (
        "The gateway refuses these",
        ["test_what_is_switched_off_is_refused_and_told_beforehand", "test_what_is_switched_off_is_not_offered"],
    ),
    ("Settings come from", ["test_the_snippets_for_hubs_name_settings_that_exist"]),
    ("An API key that is handed out this way", ["test_the_snippets_for_hubs_name_settings_that_exist"]),
    ("/opt/tljh/config/jupyterhub_config.d", ["test_the_snippets_for_hubs_name_settings_that_exist"]),
    ("In the chart's values", ["test_the_snippets_for_hubs_name_settings_that_exist"]),
    ("another model is refused", ["test_only_allowed_models_can_be_chosen_and_answer"]),
    ("which the gateway finds out by itself", ["test_the_kernel_says_on_what_a_directory_lies"]),
    ("One machine at a time", ["test_another_machines_lease_is_respected_and_a_lost_one_is_noticed"]),
    ("A quiet page sends nothing", ["test_a_quiet_page_makes_no_request_and_does_not_keep_the_server_up"]),
    (
        "The tests run a real Hub",
        ["test_page_upload_preview_and_picture_work_and_it_comes_back_after_the_server_was_stopped"],
    ),
    ("*This address is not allowed*", ["test_a_proxy_that_hides_the_host_from_jupyter_is_told_with_the_setting"]),
    (
        "the same conversation in their terminals",
        [
            "test_the_command_line_and_kernels_find_the_mount_by_what_the_hub_gives_them",
            "test_page_and_socket_work_behind_the_proxy_and_each_user_has_their_own_sessions",
        ],
    ),
    (
        "Conversations are in the user's home",
        [
            "test_page_and_socket_work_behind_the_proxy_and_each_user_has_their_own_sessions",
            "test_s10_what_was_there_before_is_narrowed",
        ],
    ),
    ("One gateway for all users", ["test_shared_gateway_each_user_has_a_space_of_their_own"]),
    ("The extension opens no port on it", ["test_there_is_no_second_port_and_no_login_of_ours"]),
    (
        "no user is the owner until `gateway.auth.owners`",
        ["test_s17_a_named_owner_is_one_and_what_they_make_opens_no_kernel"],
    ),
    ("can stand in the environment", ["test_the_snippets_for_hubs_name_settings_that_exist"]),
    ("`models.allowed` names ids", ["test_only_allowed_models_can_be_chosen_and_answer"]),
    ("| `tools` | tools for the model |", ["test_what_is_switched_off_is_refused_and_told_beforehand"]),
    ("| `uploads` |", ["test_what_is_switched_off_is_refused_and_told_beforehand"]),
    ("| `files` |", ["test_what_is_switched_off_is_refused_and_told_beforehand"]),
    ("| `temporary` |", ["test_what_is_switched_off_is_refused_and_told_beforehand"]),
    ("| `export`, `import` |", ["test_what_is_switched_off_is_refused_and_told_beforehand"]),
    ("| `settings` |", ["test_what_is_switched_off_is_refused_and_told_beforehand"]),
    ("All settings are in the", ["test_a_setting_is_documented"]),
    ("the token against forgery", ["test_s7_a_page_of_another_users_server_can_forge_no_request_to_mine"]),
    ("A server counts as active while a reply", ["test_a_quiet_page_makes_no_request_and_does_not_keep_the_server_up"]),
    (
        "reconnects and keep-alive pings do not count",
        ["test_a_quiet_page_makes_no_request_and_does_not_keep_the_server_up"],
    ),
    (
        "ends its replies in at most 8 seconds",
        ["test_sigterm_ends_a_long_reply_as_interrupted_with_its_text", "test_a_cut_answer_is_shown_as_cut"],
    ),
    ("`clawdbot doctor` says which it is", ["test_doctor_says_so_too"]),
    ("*You are not logged in to Jupyter*", ["test_a_login_of_jupyter_that_has_ended_is_told_and_leads_back"]),
    ("| *demo* answers |", ["test_doctor_takes_the_gateways_word_about_the_key"]),
]

CLAIMS = {"docs/notebook.md": NOTEBOOK, "docs/jupyterhub.md": HUBS}

_ADVICE_NOTEBOOK = [
    "![",  # pictures
    "The panel [in Korean]",
    "Lab offers Korean where its language pack",  # Lab's own
    "A switch is bound to what it names:",  # which the next sentence says
    "`Z`, or `Ctrl Z` in the cell",
    "From Python:",
    "In marimo (0.25, by hand)",
    "Voila shows a notebook to people who have no login",
    "A Voila that runs inside a Jupyter server without a login",
    "`y`, `a`, `n REASON`, `1,3`",  # listed in docs/cli.md
    "Run `%clawdbot mode edits` before",
    "| Raised | When |",
    "| Switch | What the assistant gets |",
    "Questions and answers of the magics, since they are cells",
]
_ADVICE_HUBS = [
    "For administrators.",
    "What users see:",
    "**Whatever is in the environment of a user's server",  # Jupyter's own
    "So can files that their account can read",
    "For a class with a key of its own",
    "Otherwise use a proxy that holds the key",
    "1.",
    "Run a proxy that speaks Anthropic's Messages API",
    "It authenticates users, for example",
    "2.",
    "Give users only its address",
    "`ANTHROPIC_BASE_URL`, or `models.providers",
    "What a user has as the API key is then",
    "There, too, is the only place where a limit",
    "TLJH's users share one machine",
    "The package belongs into the users' image",
    "A key by `extraEnv` from a Kubernetes secret",
    "What the gateway refuses them there, a kernel",
    "| `policy.disabled` | what users",
    "How far that goes is said [above]",
    "What must hold against that is held by the proxy",
    "To leave the extension out for some users",
    "`jupyter server extension disable",
    "Without a domain for each user",
    "Sockets cannot show it",
    "Where users do not trust each other",
    "What the proxy in front reports as activity",
    "`jupyterhub-idle-culler` looks at both",
    "| claim | test |",
    "With **named servers** in several pods",
    "on a local disk of the pod is fast",
    "A small block-storage volume",
    "| what you see | why, and what to do |",
    "| `clawdbot/` is *404* |",
    "| the page loads, and then connects again and again |",
    "| a note about a network file system |",
]

PROMISE_NOTHING = {"docs/notebook.md": _ADVICE_NOTEBOOK, "docs/jupyterhub.md": _ADVICE_HUBS}
"""Phrases of sentences that advise, lead to another one, or tell of what other programs do."""
