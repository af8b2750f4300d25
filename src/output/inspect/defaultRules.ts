import { parseRules } from "./rules.ts";

/** What is looked for unless rules are given: apologies, promises and complaints in five languages, moods, silence. */
export const DEFAULT_RULES = parseRules(
  String.raw`
- name: apology
  keyword: [抱歉, 对不起, 不好意思, 道歉, 致歉, 对唔住, 對唔住, 唔好意思, sorry, '/\bapolog(y|ies|i[sz]e[sd]?|i[sz]ing)\b/i',
            申し訳, すみません, ごめんなさい, 죄송, 미안, '/사과\s?(드|합)/']
- name: promise
  keyword: [保证, 保證, 承诺, 答应你, 答应您, 一定会, 应承, 應承, '/\bpromis(e[sd]?|ing)\b/i', '/\bguarantee[sd]?\b/i',
            約束, 必ず, 保証, 약속, 보장, 반드시]
- name: complaint
  severity: critical
  keyword: [投诉, 投訴, 退款, 退钱, 差评, 太差, 不满意, 唔满意, '/\bcomplain(s|ed|ing|ts?)?\b/i', '/\brefund(s|ed|ing)?\b/i',
            unacceptable, not happy, クレーム, 苦情, 返金, 不満, 불만, 환불, 항의]
- name: anger
  severity: critical
  emotion: angry
- name: laughter
  event: laughter
- name: applause
  event: applause
- name: silence
  severity: warning
  silence: '>= 5 s'
`,
  "default rules",
);
