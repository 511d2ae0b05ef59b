/** What a person fills in before they answer: Codex's questions, and the form of an MCP server. */

import { type ReactNode, useEffect, useId, useState } from "react";

import { list, str, type Json } from "./words.js";

type Answers = Readonly<Record<string, unknown>>;

interface FormProps {
  readonly onChange: (answers: Answers) => void;
}

interface Question {
  readonly id: string;
  readonly question: string;
  readonly isOther?: boolean;
  readonly isSecret?: boolean;
  readonly options?: readonly { readonly label: string; readonly description?: string }[] | null;
}

/** Answers by the id of their question, each as a list; those that are empty are left out. */
export function Questions({ questions, onChange }: FormProps & { readonly questions: unknown }) {
  const [answers, setAnswers] = useState<Readonly<Record<string, string>>>({});
  useEffect(() => {
    const given = Object.entries(answers).filter(([, text]) => text !== "");
    onChange(Object.fromEntries(given.map(([id, text]) => [id, [text]])));
  }, [answers]);
  return list<Question>(questions).map((question) => (
    <Ask
      key={question.id}
      question={question}
      value={answers[question.id] ?? ""}
      onChange={(text) => setAnswers((before) => ({ ...before, [question.id]: text }))}
    />
  ));
}

interface AskProps {
  readonly question: Question;
  readonly value: string;
  readonly onChange: (text: string) => void;
}

function Ask({ question: { question, options, isOther, isSecret }, value, onChange }: AskProps) {
  const group = useId(); // the radio buttons of one question share a name, which no other has
  const offered = options ?? [];
  const own = offered.every(({ label }) => label !== value);
  return (
    <fieldset className="codex-field">
      <legend>{question}</legend>
      {offered.map(({ label, description }) => (
        <label key={label} className="codex-option">
          <input type="radio" name={group} checked={value === label} onChange={() => onChange(label)} /> {label}
          {description && <span className="codex-hint"> {description}</span>}
        </label>
      ))}
      {(offered.length === 0 || isOther) && (
        <input
          type={isSecret ? "password" : "text"}
          autoComplete="off"
          aria-label={offered.length > 0 ? "Another answer" : question}
          placeholder={offered.length > 0 ? "Another answer" : ""}
          value={own ? value : ""}
          onChange={({ target }) => onChange(target.value)}
        />
      )}
    </fieldset>
  );
}

// --- the form of an MCP server -----------------------------------------------------------------

interface SchemaFormProps extends FormProps {
  readonly schema: unknown;
}

/** A field for each property. What has no simple field is typed as JSON. */
export function SchemaForm({ schema, onChange }: SchemaFormProps) {
  const fields = Object.entries(((schema as Json | null)?.["properties"] ?? {}) as Record<string, Json>);
  const [values, setValues] = useState<Answers>(() => defaults(fields));
  useEffect(() => {
    const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
    onChange(Object.fromEntries(given));
  }, [values]);
  return fields.map(([name, field]) => (
    <label key={name} className="codex-field">
      {str(field["title"]) ?? name}
      <Field
        field={field}
        value={values[name]}
        onChange={(value) => setValues((before) => ({ ...before, [name]: value }))}
      />
      {str(field["description"]) && <span className="codex-hint">{str(field["description"])}</span>}
    </label>
  ));
}

function defaults(fields: readonly (readonly [string, Json])[]): Answers {
  return Object.fromEntries(fields.flatMap(([name, field]) => {
    if (field["default"] !== undefined) return [[name, field["default"]]];
    if (field["type"] === "boolean") return [[name, false]];
    const first = optionsOf(field)[0];
    return first === undefined ? [] : [[name, first]];
  }));
}

function optionsOf(field: Json): readonly string[] {
  return list<string>(field["enum"] ?? list<{ const: string }>(field["oneOf"]).map((each) => each.const));
}

interface FieldProps {
  readonly field: Json;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

function Field({ field, value, onChange }: FieldProps): ReactNode {
  const type = str(field["type"]);
  if (type === "boolean") {
    return <input type="checkbox" checked={value === true} onChange={({ target }) => onChange(target.checked)} />;
  }
  const options = optionsOf(field);
  if (options.length > 0) {
    return (
      <select value={String(value ?? "")} onChange={({ target }) => onChange(target.value)}>
        {options.map((option) => <option key={option}>{option}</option>)}
      </select>
    );
  }
  return <TextField type={type} start={value} onChange={onChange} />;
}

interface TextFieldProps {
  readonly type: string | null;
  readonly start: unknown;
  readonly onChange: (value: unknown) => void;
}

function TextField({ type, start, onChange }: TextFieldProps) {
  const [text, setText] = useState(start === undefined ? "" : typeof start === "string" ? start : JSON.stringify(start));
  const change = (typed: string) => {
    setText(typed);
    onChange(valueOf(type, typed));
  };
  const kind = type === "number" || type === "integer" ? "number" : "text";
  return <input type={kind} step="any" value={text} onChange={({ target }) => change(target.value)} />;
}

/** What was typed, as the type wants it; the server says what is wrong with the rest. */
function valueOf(type: string | null, typed: string): unknown {
  if (typed === "" || type === "string") return typed;
  if (type === "number" || type === "integer") return Number(typed);
  try {
    return JSON.parse(typed);
  } catch {
    return typed;
  }
}
