"""A speech recogniser as a user may have one: ``python recognise.py FILE.wav`` prints what is said, with times.

PocketSphinx with a grammar of a few words, in which it makes no mistakes.
"""

from __future__ import annotations

import sys
import wave

from pocketsphinx import Decoder

GRAMMAR = "#JSGF V1.0; grammar g; public <s> = <w>+; <w> = run | every | cell | close | window | delete | figure;"


def clock(frame: int) -> str:
    return f"{frame // 6000:02}:{frame // 100 % 60:02}.{frame % 100:02}0"


def main() -> None:
    decoder = Decoder(samprate=16000, lm=None)
    decoder.add_jsgf_string("commands", GRAMMAR)
    decoder.activate_search("commands")
    with wave.open(sys.argv[1]) as file:
        sound = file.readframes(file.getnframes())
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    for heard in decoder.seg():
        if not heard.word.startswith("<"):
            word = heard.word.partition("(")[0]
            sys.stdout.write(f"[{clock(heard.start_frame)} --> {clock(heard.end_frame)}] {word}\n")


if __name__ == "__main__":
    main()
