/** docs/state-machine.md: the diagram, and the table it is drawn from. */
import { type Row, ruleText, type State, TRANSITIONS } from '../../src/tcp/machine.ts';
import { arrows, endings, STATES, statesText } from '../../src/tools/state-machine/arrows.ts';

export function stateMachineMarkdown(): string {
  const rows = STATES.flatMap((state) =>
    Object.entries<Row>(TRANSITIONS[state]).map(([event, [to, rule]]) => ({ state, event, to, rule })),
  );
  const lines = [
    '# The state machine',
    '',
    `One table, \`TRANSITIONS\` in src/tcp/machine.ts, moves every connection of tcpx: ${STATES.length} states, ${rows.length} rows. The diagram is drawn from it, this page and`,
    'the log’s lines are printed from it, and `npm run docs` does so anew.',
    '',
    '![The states of a TCP connection, from CLOSED at the top by way of ESTABLISHED to CLOSED at the bottom](state-machine.svg)',
    '',
    'Time goes down. On the left is who closes first, on the right who closes second. Not drawn is what ends a connection at once:',
    '',
    ...endings().map(({ event, states }) => `- **${event}** in ${statesText(states)}`),
    '',
    'Two arrows one might look for are absent because another comes first: a FIN in SYN-RECEIVED counts only on a segment whose ACK has',
    'moved the connection to ESTABLISHED, and a FIN that acknowledges ours in FIN-WAIT-1 takes two rows, by way of FIN-WAIT-2. “Passive”',
    'are events in SYN-RECEIVED of a connection that began in LISTEN.',
    '',
    '## Row by row',
    '',
    'What each segment does in each state, also where no row is taken, is in [state-sweep.md](state-sweep.md).',
    '',
    '| in | on | goes to | because of |',
    '|---|---|---|---|',
    ...rows.map(
      ({ state, event, to, rule }, i) =>
        `| ${rows[i - 1]?.state === state ? '' : `**${state}**`} | ${event} | ${to} | ${ruleText(rule)} |`,
    ),
    '',
    '## As Mermaid',
    '',
    'For those who want to draw it elsewhere; without what ends a connection at once.',
    '',
    '```mermaid',
    ...mermaid(),
    '```',
  ];
  return `${lines.join('\n')}\n`;
}

/** Names without what Mermaid reads as its own. */
const id = (state: State): string => state.replaceAll('-', '_');

function mermaid(): readonly string[] {
  return [
    'stateDiagram-v2',
    ...STATES.filter((state) => id(state) !== state).map((state) => `    state "${state}" as ${id(state)}`),
    '    [*] --> CLOSED',
    ...arrows().map(({ from, to, events }) => `    ${id(from)} --> ${id(to)}: ${events.join(' / ')}`),
  ];
}
