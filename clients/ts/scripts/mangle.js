/**
 * Names of properties that never leave the package and are written shorter in its build.
 *
 * A name is one of them where every use of it in the sources is of a member that a class or an interface of the inside
 * declares: one use on a message, an option, an event or an object of the runtime, or as a string, and it stays as it is.
 */

import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

/** What applications see, or what goes from them to the inside and to the wire by its names. */
const OUTSIDE = [
  "types.ts",
  "core/wire.ts",
  "core/errors.ts",
  "NeurographWSClient",
  "StateChange",
  "Resumed",
  "ReconnectionToken",
  "GoAway",
  "Tellings",
  "TokenRequest",
  "Backoff",
  "SessionOptions",
];

/** Whether a member belongs to the inside. */
function isInside(declaration) {
  const { parent } = declaration;
  const isMember = ts.isClassLike(parent) || ts.isInterfaceDeclaration(parent) || ts.isParameter(declaration);
  if (!isMember) return false;
  const owner = ts.isParameter(declaration) ? parent.parent : parent;
  const file = relative(join(ROOT, "src"), declaration.getSourceFile().fileName);
  if (file.startsWith("..") || OUTSIDE.includes(file) || OUTSIDE.includes(owner.name?.text)) return false;
  return owner.name?.text !== "Subscription" || isInternal(declaration);
}

const isInternal = (declaration) => ts.getJSDocTags(declaration).some((tag) => tag.tagName.text === "internal");

/** Every use of a property by its name, and every string, which may be one: [name, declarations]. */
function* uses(node, checker) {
  if (ts.isIdentifier(node) && isPropertyName(node)) {
    const symbol = symbolOf(node, checker);
    yield [node.text, symbol?.declarations ?? []];
  }
  if (ts.isStringLiteralLike(node)) yield [node.text, []];
  for (const child of node.getChildren()) yield* uses(child, checker);
}

function isPropertyName(node) {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isBindingElement(parent)) {
    return ts.isObjectBindingPattern(parent.parent) && (parent.propertyName ?? parent.name) === node;
  }
  if (ts.isParameter(parent)) return parent.name === node && ts.isParameterPropertyDeclaration(parent, parent.parent);
  return (
    (ts.isClassElement(parent) || ts.isTypeElement(parent) || ts.isObjectLiteralElement(parent)) && parent.name === node
  );
}

function symbolOf(node, checker) {
  const { parent } = node;
  const of = (type) => type && checker.getNonNullableType(type).getProperty(node.text);
  if (ts.isBindingElement(parent)) return of(checker.getTypeAtLocation(parent.parent));
  if (ts.isObjectLiteralExpression(parent.parent)) return of(checker.getContextualType(parent.parent));
  return checker.getSymbolAtLocation(node);
}

/** One and two letters, in the order in which they are given away. */
function* shortNames() {
  const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  yield* letters;
  for (const first of letters) for (const second of letters) yield first + second;
}

/** -> { mangleProps, mangleCache } for esbuild: the same names in every file, the shortest for what is used most */
export function mangling() {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.build.json"), ts.sys.readFile);
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const program = ts.createProgram(fileNames, options);
  const checker = program.getTypeChecker();
  const counts = new Map();
  for (const file of program.getSourceFiles()) {
    if (!fileNames.includes(file.fileName)) continue;
    for (const [name, declarations] of uses(file, checker)) {
      const isOurs = declarations.length > 0 && declarations.every(isInside);
      counts.set(name, isOurs ? (counts.get(name) ?? 0) + 1 : Number.NaN);
    }
  }
  const names = [...counts].filter(([name, count]) => count > 0 && name.length > 2);
  names.sort(([one, ones], [other, others]) => others - ones || (one < other ? -1 : 1));
  const free = [...shortNames()].filter((name) => !counts.has(name));
  return {
    mangleProps: new RegExp(`^(?:${names.map(([name]) => name).join("|")})$`),
    mangleCache: Object.fromEntries(names.map(([name], place) => [name, free[place]])),
  };
}
