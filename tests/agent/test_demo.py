


def test_what_it_thought_is_part_of_the_reply() -> None:
    turn = ask("thinking")
    thought, answer = turn.reply.content
    assert (thought["type"], answer["type"]) == ("thinking", "text") and thought["thinking"] == turn.thought
