// Judges boards by the TypeScript types of npm @grafana/schema and @grafana/data, with tsc's own compiler.
// In: {name: board} as JSON on stdin; argument: the folder with node_modules. Out: {checks: {name: number}, faults: {name: [sentence]}}.
// Each piece of a board becomes one typed constant; all constants of all boards are one program, compiled once.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const installed = resolve(process.argv[2]);
const load = createRequire(join(installed, "package.json"));
const ts = load("typescript");
const published = Object.keys(JSON.parse(readFileSync(join(installed, "node_modules/@grafana/schema/package.json"))).exports);
const transformers = "./node_modules/@grafana/data/dist/types/transformations/transformers/";

const UNTYPED_PANELS = new Set(["alertlist"]); // no published type: its own test holds it
const NAMED_OTHERWISE = { dashlist: "dashboardlist", annolist: "annotationslist" };
const TRANSFORMER_OPTIONS = {
  organize: ["organize", "OrganizeFieldsTransformerOptions"],
  sortBy: ["sortBy", "SortByTransformerOptions"],
  filterFieldsByName: ["filterByName", "FilterFieldsByNameTransformerOptions"],
  filterByValue: ["filterByValue", "FilterByValueTransformerOptions"],
  calculateField: ["calculateField", "CalculateFieldTransformerOptions"],
  convertFieldType: ["convertFieldType", "ConvertFieldTypeTransformerOptions"],
  groupBy: ["groupBy", "GroupByTransformerOptions"],
  joinByField: ["joinByField", "JoinByFieldOptions"],
  labelsToFields: ["labelsToFields", "LabelsToFieldsOptions"],
  limit: ["limit", "LimitTransformerOptions"],
  merge: ["merge", "MergeTransformerOptions"],
  reduce: ["reduce", "ReduceTransformerOptions"],
  renameByRegex: ["renameByRegex", "RenameByRegexTransformerOptions"],
};
const TYPES = `
import type * as schema from "@grafana/schema";
import type { DataLink } from "./node_modules/@grafana/data/dist/types/types/dataLink";
export type Written<T> = unknown extends T ? T : T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Written<T[K]> } : T;
export type Link = Pick<DataLink, "title" | "url" | "targetBlank" | "oneClick">;
export type Common = Written<Omit<schema.FieldConfig, "custom" | "links">> & { links?: Link[] };
export type Target = schema.DataQuery & { query: string; rawQuery: boolean; resultFormat?: "table" | "time_series" | "logs"; alias?: string };
export type Marks = schema.DataQuery & { query: string; rawQuery?: boolean; fromAnnotations?: boolean; titleColumn?: string; textColumn?: string; tagsColumn?: string; timeEndColumn?: string };
export type Frame = Omit<Written<schema.Dashboard>, "panels" | "annotations" | "templating">;
export type Variable = Written<schema.VariableModel> & { definition?: string }; // a QueryVariableModel of @grafana/data has it
export type Mark = Omit<Written<schema.AnnotationQuery>, "target">;
export type Bare = Omit<Written<schema.Panel>, "options" | "fieldConfig" | "targets" | "transformations">;
export type Row = Omit<Written<schema.RowPanel>, "panels">;
export type Matcher = Written<schema.MatcherConfig>;
export type Transformation = Omit<Written<schema.DataTransformerConfig>, "options">;
`;

function without(value, ...names) {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}

function panelTypes(kind) {
  const name = NAMED_OTHERWISE[kind] ?? kind.toLowerCase().replaceAll("-", "");
  return published.find((path) => path.includes(`/composable/${name}/panelcfg/`))?.replace("./", "@grafana/schema/");
}

function hasFieldConfig(path) {
  const types = path.replace("dist/esm", "dist/types").replace(/\/[^/]+$/, "/types.gen.d.ts");
  return readFileSync(join(installed, "node_modules", types), "utf8").includes("interface FieldConfig");
}

/** [type, value, where] of everything that a board says. */
function* piecesOf(board) {
  yield ["own.Frame", without(board, "panels", "annotations", "templating"), "board"];
  for (const variable of board.templating?.list ?? []) yield ["own.Variable", variable, `variable ${variable.name}`];
  for (const mark of board.annotations?.list ?? []) {
    yield ["own.Mark", without(mark, "target"), `annotation ${mark.name}`];
    if (mark.target) yield ["own.Marks", mark.target, `annotation ${mark.name}, target`];
  }
  for (const panel of board.panels) {
    if (panel.type === "row") {
      yield ["own.Row", without(panel, "panels"), panel.title];
      for (const inner of panel.panels ?? []) yield* piecesOfPanel(inner);
    } else yield* piecesOfPanel(panel);
  }
}

function* piecesOfPanel(panel) {
  const path = panelTypes(panel.type);
  const own = path ? `import("${path}")` : undefined;
  const custom = own && hasFieldConfig(path) ? `own.Written<Partial<${own}.FieldConfig>>` : "Record<string, never>";
  yield ["own.Bare", without(panel, "options", "fieldConfig", "targets", "transformations"), panel.title];
  if (own) yield [`own.Written<${own}.Options>`, panel.options, `${panel.title}, options`];
  else if (!UNTYPED_PANELS.has(panel.type)) yield ["never", panel.type, `${panel.title}, type`];
  for (const target of panel.targets ?? []) yield ["own.Target", target, `${panel.title}, target ${target.refId}`];
  for (const { options, ...rest } of panel.transformations ?? []) {
    yield ["own.Transformation", rest, `${panel.title}, transformation`];
    const [file, name] = TRANSFORMER_OPTIONS[rest.id] ?? [];
    if (name) yield [`own.Written<import("${transformers}${file}").${name}>`, options, `${panel.title}, ${rest.id}`];
  }
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  yield ["own.Common", without(defaults, "custom"), `${panel.title}, field`];
  if (defaults.custom) yield [custom, defaults.custom, `${panel.title}, custom`];
  for (const { matcher, properties, ...others } of overrides) {
    yield ["Record<string, never>", others, `${panel.title}, override`];
    yield ["own.Matcher", matcher, `${panel.title}, matcher`];
    for (const { id, value, ...rest } of properties) {
      const where = `${panel.title}, override of ${matcher.options}: ${id}`;
      yield ["Record<string, never>", rest, where];
      const [first, ...deeper] = id.split(".");
      const inside = deeper.reduceRight((held, name) => ({ [name]: held }), value);
      yield first === "custom" ? [custom, inside, where] : ["own.Common", { [id]: value }, where];
    }
  }
}

const boards = JSON.parse(readFileSync(0, "utf8"));
const sources = new Map([[join(installed, "board_types.ts"), TYPES]]);
const places = new Map();
const checks = {};
for (const [name, board] of Object.entries(boards)) {
  const lines = ['import type * as own from "./board_types";'];
  const where = [];
  checks[name] = 0;
  for (const [type, value, place] of piecesOf(board)) {
    where[lines.length] = place;
    lines.push(`export const piece${lines.length}: ${type} = ${JSON.stringify(value)};`);
    checks[name] += 1;
  }
  const file = join(installed, `board_${sources.size}.ts`);
  sources.set(file, lines.join("\n"));
  places.set(file, { name, where });
}

const options = {
  strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.Preserve, moduleResolution: ts.ModuleResolutionKind.Bundler,
};
const host = ts.createCompilerHost(options);
const read = host.getSourceFile.bind(host);
const exists = host.fileExists.bind(host);
host.fileExists = (path) => sources.has(path) || exists(path);
host.getSourceFile = (path, ...others) =>
  sources.has(path) ? ts.createSourceFile(path, sources.get(path), ts.ScriptTarget.ES2022) : read(path, ...others);
const program = ts.createProgram([...sources.keys()], options, host);

const faults = Object.fromEntries([...places.values()].map(({ name }) => [name, []]));
for (const found of ts.getPreEmitDiagnostics(program)) {
  const at = found.file && places.get(found.file.fileName);
  const text = ts.flattenDiagnosticMessageText(found.messageText, " ").replaceAll(/\s+/g, " ");
  if (!at) throw new Error(`the types themselves: ${found.file?.fileName} ${text}`);
  const line = ts.getLineAndCharacterOfPosition(found.file, found.start).line;
  const written = found.file.text.slice(found.start, found.start + found.length).slice(0, 60);
  faults[at.name].push(`${at.where[line] ?? `line ${line}`}: ${written}: ${text}`);
}
process.stdout.write(JSON.stringify({ checks, faults }));
