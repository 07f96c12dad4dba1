/** The words of this extension. Lab's translation comes first, so that a language pack may have its own. */
import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import type { ITranslator } from "@jupyterlab/translation";
import { nullTranslator } from "@jupyterlab/translation";

const KOREAN: Record<string, string> = {
  Clawdbot: "Clawdbot",
  "Clawdbot Chat": "Clawdbot 채팅",
  "Open Clawdbot": "Clawdbot 열기",
  "Open Clawdbot in a Tab": "Clawdbot을 새 탭에서 열기",
  "Open Clawdbot in the Browser": "Clawdbot을 브라우저에서 열기",
  "New Clawdbot Session": "새 Clawdbot 세션",
  "Ask About This Cell": "이 셀에 대해 묻기",
  "Explain This Cell": "이 셀 설명 듣기",
  "Fix This Cell": "이 셀 고치기",
  "Ask About the Selected Text": "선택한 텍스트에 대해 묻기",
  "Chat with the assistant about your notebook": "노트북에 대해 어시스턴트와 대화해요",
  "Insert below": "아래에 셀로 넣기",
  "Insert below cell %1": "셀 %1 아래에 넣기",
  "Insert at the end": "맨 끝에 셀로 넣기",
  "Replace cell %1": "셀 %1 바꾸기",
  "Replace cell %1?": "%1번 셀을 바꿀까요?",
  Replace: "바꾸기",
  Cancel: "취소",
  Show: "보기",
  "Insert and run": "셀로 넣고 실행",
  "Open %1": "%1 열기",
  "The cell has changed since the question.": "질문한 뒤에 셀이 바뀌었어요.",
  "This is what would change.": "이렇게 바뀌어요.",
  "The cell was changed meanwhile; nothing was replaced.": "그사이 셀이 바뀌어서 바꾸지 않았어요.",
  "The cell says that already.": "셀 내용이 이미 같아요.",
  "The cell is no longer there.": "더 이상 없는 셀이에요.",
  "The cell is read-only.": "이 셀은 읽기 전용이에요.",
  "The notebook is not open.": "노트북이 열려 있지 않아요.",
  "Cell %1 was inserted.": "%1번 셀을 넣었어요.",
  "Cell %1 was replaced.": "%1번 셀을 바꿨어요.",
  "Hidden characters": "숨은 문자",
  "The code has characters that cannot be seen, or that turn the order of what is:":
    "코드에 보이지 않거나 보이는 순서를 뒤바꾸는 문자가 있어요.",
  "Go on without them": "빼고 계속하기",
  "Open a notebook first: there is no cell to work with.": "먼저 노트북을 열어 주세요. 작업할 셀이 없어요.",
  "The notebook is read-only.": "이 노트북은 읽기 전용이에요.",
  "The chat could not be loaded from the server.": "서버에서 채팅을 불러오지 못했어요.",
  "The chat cannot be asked now. The Clawdbot panel says why.":
    "지금은 물어볼 수 없어요. 이유는 Clawdbot 패널에서 볼 수 있어요.",
  "Try again": "다시 시도",
  "Run this cell to open the chat.": "이 셀을 실행하면 채팅이 열려요.",
  Notebook: "노트북",
  "Cell %1": "셀 %1",
  "%1 cells": "셀 %1개",
  "Last error": "마지막 오류",
  "Selected text": "선택한 텍스트",
  Variables: "변수",
  "The notebook was closed.": "노트북이 닫혔어요.",
  "The cell was deleted.": "셀이 삭제됐어요.",
  "No Python kernel is running.": "실행 중인 Python 커널이 없어요.",
  "The kernel is busy.": "커널이 다른 작업을 하고 있어요.",
  "The kernel did not answer.": "커널이 응답하지 않았어요.",
  "The kernel does not know it any more.": "커널에 더 이상 없는 변수예요.",
  "%1 columns are left out": "열 %1개를 뺐어요",
  "its figures are those of every %1th row": "통계는 %1행마다 하나씩 골라 계산했어요",
  "%1 items are left out": "항목 %1개를 뺐어요",
  "%1 characters are left out": "%1자를 뺐어요",
  "the first %1 cells are left out": "앞쪽 셀 %1개를 뺐어요",
  "%1 pictures are left out": "그림 %1개를 뺐어요",
  "it is a folder": "폴더예요",
  "it is too large": "파일이 너무 커요",
  "%1 could not be attached: %2": "첨부하지 못했어요: %1. %2",
  "Explain what this cell does, step by step.": "이 셀이 하는 일을 차근차근 설명해 주세요.",
  "This cell fails. Find the cause and give the corrected cell.":
    "이 셀에서 오류가 나요. 원인을 찾고 고친 셀을 주세요.",
  "The chat beside your notebooks.": "노트북 옆에서 쓰는 채팅이에요.",
  "Side of the panel": "패널 위치",
  "Where the chat panel stands in JupyterLab.": "JupyterLab에서 채팅 패널을 표시할 위치예요.",
  "The assistant changed this cell.": "어시스턴트가 이 셀을 바꿨어요.",
  Undo: "되돌리기",
  Close: "닫기",
  "The change is not known any more.": "이 변경을 더 이상 찾을 수 없어요.",
  "The cell was changed since; nothing was taken back.": "그 뒤에 셀이 또 바뀌어서 되돌리지 않았어요.",
  Left: "왼쪽",
  Right: "오른쪽",
  "What goes along by default": "기본으로 함께 보낼 내용",
  "What the assistant gets with a message unless the switches above the field say otherwise: the selected cells, the whole notebook, or nothing.":
    "입력란 위의 스위치로 따로 고르지 않았을 때 메시지와 함께 어시스턴트에게 보낼 내용이에요. 선택한 셀, 노트북 전체, 보내지 않음 중에서 골라요.",
  "The selected cells": "선택한 셀",
  "The whole notebook": "노트북 전체",
  Nothing: "보내지 않음",
  "Clawdbot: ready": "Clawdbot: 준비됨",
  "Clawdbot: waiting for your decision": "Clawdbot: 결정을 기다리고 있어요",
  "Clawdbot: answering…": "Clawdbot: 답변 중…",
  "Clawdbot: not connected": "Clawdbot: 연결 안 됨",
  "Clawdbot: log in": "Clawdbot: 로그인 필요",
};

/** How long a warning is shown; without a time Lab only counts it in its status bar. */
export const WARNING_MS = 8_000;

/** True where the page is in Korean. Voila's translator has no language. */
export function isKorean(translator: ITranslator | null): boolean {
  return /^ko/i.test(String(translator?.languageCode));
}

/** `%1` … are places for `values`. */
export type Text = (message: string, ...values: (string | number)[]) => string;

export function texts(translator: ITranslator | null): Text {
  const source = translator ?? nullTranslator;
  const bundle = source.load("clawdbot_ext");
  const korean = isKorean(source);
  const put = (text: string, values: (string | number)[]): string =>
    text.replace(/%(\d)/g, (_, place: string) => String(values[Number(place) - 1] ?? ""));
  return (message, ...values) => {
    const translated = bundle.gettext(message, ...values.map(String)); // it puts the values in itself
    const own = korean ? KOREAN[message] : undefined;
    return own !== undefined && translated === put(message, values) ? put(own, values) : translated;
  };
}

const WORDS = new Set(["title", "description", "jupyter.lab.setting-icon-label"]);

/** The schema of the settings with its titles and descriptions in the language of `text`. */
export function translated(schema: ISettingRegistry.ISchema, text: Text): ISettingRegistry.ISchema {
  const word = (key: string, value: unknown): unknown =>
    WORDS.has(key) && typeof value === "string" ? text(value) : value;
  return JSON.parse(JSON.stringify(schema), word) as ISettingRegistry.ISchema;
}
