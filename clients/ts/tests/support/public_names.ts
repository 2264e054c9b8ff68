/** The names that applications see: members of whatever the entries of the package export, as its sources declare it. */

import ts from "typescript";

const HIDDEN = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;

/** What is declared in src/ and left in the types that are shipped. */
function isShown(declaration: ts.Declaration): boolean {
  const isInternal = ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === "internal");
  const isHidden = (ts.getCombinedModifierFlags(declaration) & HIDDEN) !== 0;
  return declaration.getSourceFile().fileName.includes("/clients/ts/src/") && !isInternal && !isHidden;
}

/** -> names of members; `ofClasses` those that the code itself reads and writes */
export function publicNames(entries: readonly string[]): { members: Set<string>; ofClasses: Set<string> } {
  const program = ts.createProgram([...entries], {
    strict: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
    types: [],
  });
  const checker = program.getTypeChecker();
  const members = new Set<string>();
  const ofClasses = new Set<string>();
  const seen = new Set<ts.Type>();

  const visit = (type: ts.Type): void => {
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) type.types.forEach(visit);
    for (const argument of [
      ...checker.getTypeArguments(type as ts.TypeReference),
      ...(type.aliasTypeArguments ?? []),
    ]) {
      visit(argument);
    }
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
      if (!signature.declaration || !isShown(signature.declaration)) continue;
      visit(signature.getReturnType());
      for (const parameter of signature.parameters) visit(checker.getTypeOfSymbol(parameter));
    }
    for (const member of type.getProperties()) {
      const declaration = member.declarations?.find(isShown);
      if (!declaration || /^(?:#|__)/.test(member.name)) continue;
      members.add(member.name);
      if (ts.isClassLike(declaration.parent)) ofClasses.add(member.name);
      visit(checker.getTypeOfSymbol(member));
    }
  };
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    if (!module) throw new Error(`no module: ${entry}`);
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (symbol.flags & ts.SymbolFlags.Value) visit(checker.getTypeOfSymbol(symbol));
      if (symbol.flags & ts.SymbolFlags.Type) visit(checker.getDeclaredTypeOfSymbol(symbol));
    }
  }
  return { members, ofClasses };
}
