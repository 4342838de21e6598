"""The pages of faults of the text itself, which the reader of YAML finds."""

from __future__ import annotations

from mlspec.rules._rule import WARNING, fault


@fault("YAM001")
def alias_loop() -> None:
    """An alias stands inside the value that it refers to.

    ## Why this is bad
    Such a value contains itself without end. Nothing can be made of it.

    ## Bad
    ```yaml
    x-part: &part
      again: *part
    ```

    ## Good
    ```yaml
    x-part: &part
      once: 1
    x-other: *part
    ```

    ## Fix safety
    None: only its writer knows what the alias was to stand for.

    ## Source
    YAML 1.2.2, chapter 7.1, Alias Nodes.
    """


@fault("YAM002")
def bad_directive() -> None:
    """A line that starts with `%` is no directive that YAML knows.

    ## Why this is bad
    Directives speak to the parser before the document begins. One that it does not know stops it.

    ## Bad
    ```yaml
    %SPEC 1
    ---
    mlspec: 1
    project: {name: x}
    ```

    ## Good
    ```yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None: remove the line, or quote the text that starts with `%`.

    ## Source
    YAML 1.2.2, chapter 6.8, Directives.
    """


@fault("YAM003")
def bad_escape() -> None:
    r"""A backslash in double quotes is followed by what is no escape.

    ## Why this is bad
    Inside double quotes a backslash starts an escape such as `\n`. Windows paths and regular expressions are the usual
    victims.

    ## Bad
    ```yaml
    x-folder: "C:\docs"
    ```

    ## Good
    ```yaml
    x-folder: 'C:\docs'
    ```

    ## Fix safety
    None: double the backslash, or use single quotes, inside which it is plain.

    ## Source
    YAML 1.2.2, chapter 5.7, Escaped Characters.
    """


@fault("YAM004")
def bad_indentation() -> None:
    """The indentation of a line fits no block.

    ## Why this is bad
    Indentation is how YAML tells what belongs to what. A line between two levels belongs to neither.

    ## Bad
    ```yaml
    training:
      seed: 7
     cross_validation: 5
    ```

    ## Good
    ```yaml
    training:
      seed: 7
      cross_validation: 5
    ```

    ## Fix safety
    None: a line between two levels may belong to either.

    ## Source
    YAML 1.2.2, chapter 6.1, Indentation Spaces.
    """


@fault("YAM005")
def bad_merge() -> None:
    """`<<` is given something that is no mapping.

    ## Why this is bad
    `<<` copies the keys of a mapping. Text, numbers and lists of them have no keys.

    ## Bad
    ```yaml
    training:
      <<: 5
      seed: 7
    ```

    ## Good
    ```yaml
    x-shared: &shared {cross_validation: 5}
    training:
      <<: *shared
      seed: 7
    ```

    ## Fix safety
    None: name the mapping that is meant.

    ## Source
    The merge key of YAML 1.1, https://yaml.org/type/merge.html, which this language keeps.
    """


@fault("YAM006")
def complex_key() -> None:
    """A key is a list or a mapping.

    ## Why this is bad
    Every key of this language is one word of text. Mostly this is a template such as `{{ name }}` that was not quoted.

    ## Bad
    ```yaml
    project: {owner: {{team}}}
    ```

    ## Good
    ```yaml
    project: {owner: "{{team}}"}
    ```

    ## Fix safety
    None: quote it, or write one word.

    ## Source
    YAML 1.2.2, chapter 7.4, Flow Collection Styles, allows such keys; the language does not.
    """


@fault("YAM007")
def control_character() -> None:
    r"""A character stands in the text that YAML forbids, or that its readers disagree on.

    ## Why this is bad
    Such characters cannot be seen, and come from copying or from a broken tool. U+0085 and U+2028 end a line for some
    readers only.

    ## Bad
    ```yaml
    project: {owner: "team\0a"}
    ```

    ## Good
    ```yaml
    project: {owner: team a}
    ```

    ## Fix safety
    None: remove the character, or write its escape in double quotes.

    ## Source
    YAML 1.2.2, chapter 5.1, Character Set.
    """


@fault("YAM008")
def duplicate_key() -> None:
    """A key is written twice in the same mapping.

    ## Why this is bad
    YAML forbids it, and most readers keep the last value in silence: one of the two settings is not what happens.

    ## Bad
    ```yaml
    training: {seed: 7}
    training: {seed: 8}
    ```

    ## Good
    ```yaml
    training: {seed: 8}
    ```

    ## Fix safety
    None: only its writer knows which of the two is meant.

    ## Source
    YAML 1.2.2, chapter 3.2.1.1, Nodes: keys are unique.
    """


@fault("YAM009")
def empty_file() -> None:
    """The file holds nothing, or comments only.

    ## Why this is bad
    A spec says at least its language version and the name of the project.

    ## Bad
    ```yaml
    mlspec: 1
    extends: [base.yaml, more.yaml]
    ```
    ```yaml more.yaml
    # nothing yet
    ```

    ## Good
    ```yaml
    mlspec: 1
    extends: [base.yaml, more.yaml]
    ```
    ```yaml more.yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None.

    ## Source
    The language, `mlspec` and `project` are required.
    """


@fault("YAM010")
def key_not_text() -> None:
    """A key is a number, a truth value, null or empty.

    ## Why this is bad
    Every key of this language is text. `1:` is another key than `"1":` for programs that read YAML.

    ## Bad
    ```yaml
    x-levels: {1: low}
    ```

    ## Good
    ```yaml
    x-levels: {"1": low}
    ```

    ## Fix safety
    None here: quote the key.

    ## Source
    YAML 1.2.2, chapter 10.3.2, Tag Resolution.
    """


@fault("YAM011")
def key_too_long() -> None:
    """A key is longer than 1,024 characters.

    ## Why this is bad
    YAML's readers look no further for the `:`. Mostly a long text was written where a key is expected.

    ## Bad
    ```yaml
    # and a thousand letters more
    x-aaaaaaaaaaaaaaaaaaaa: 1
    ```

    ## Good
    ```yaml
    x-a: 1
    ```

    ## Fix safety
    None: write a shorter key.

    ## Source
    YAML 1.2.2, chapter 7.4.2, Flow Mappings: implicit keys are limited to 1,024 characters.
    """


@fault("YAM012")
def missing_colon() -> None:
    """A line stands where a key is expected, and has no `: `.

    ## Why this is bad
    Without the colon and the space behind it, a line is text: the key that was meant is not there.

    ## Bad
    ```yaml
    training:
      seed:7
      cross_validation: 5
    ```

    ## Good
    ```yaml
    training:
      seed: 7
      cross_validation: 5
    ```

    ## Fix safety
    None here: write `key: value`.

    ## Source
    YAML 1.2.2, chapter 7.4, Flow Collection Styles: `:` is followed by white space.
    """


@fault("YAM013")
def missing_comma() -> None:
    """Two entries of `[…]` or `{…}` have no comma between them.

    ## Why this is bad
    Without it the two would be one value, or none.

    ## Bad
    ```yaml
    task: {kind: 'classification' target: Churn}
    ```

    ## Good
    ```yaml
    task: {kind: 'classification', target: Churn}
    ```

    ## Fix safety
    None: the comma, or a closing bracket, may be what is missing.

    ## Source
    YAML 1.2.2, chapter 7.4, Flow Collection Styles.
    """


@fault("YAM014")
def missing_value() -> None:
    """A value is expected, and a sign of YAML's stands there.

    ## Why this is bad
    A comma or a bracket cannot be a value. Mostly one was typed twice, or a value was left out.

    ## Bad
    ```yaml
    evaluation: {slices: [Contract, , tenure]}
    ```

    ## Good
    ```yaml
    evaluation: {slices: [Contract]}
    ```

    ## Fix safety
    None: write the value, or quote the sign where it is meant.

    ## Source
    YAML 1.2.2, chapter 7.4, Flow Collection Styles.
    """


@fault("YAM015")
def missing_file() -> None:
    """There is no file of this name.

    ## Why this is bad
    What a spec extends is part of it: without the file, nothing of what it says holds.

    ## Bad
    ```yaml
    mlspec: 1
    extends: [base.yaml, bas.yaml]
    ```

    ## Good
    ```yaml
    mlspec: 1
    extends: [base.yaml]
    ```

    ## Fix safety
    None: correct the path, which is relative to the file that names it.

    ## Source
    The language: `extends` names files.
    """


@fault("YAM016")
def not_a_file() -> None:
    """A path leads to a folder where a file is expected.

    ## Why this is bad
    A folder says nothing that could be laid under the spec.

    ## Bad
    ```yaml
    mlspec: 1
    extends: [base.yaml, .]
    ```

    ## Good
    ```yaml
    mlspec: 1
    extends: [base.yaml]
    ```

    ## Fix safety
    None: name the file in it.

    ## Source
    The language: `extends` names files.
    """


@fault("YAM017")
def not_utf_8() -> None:
    """The file is not written in UTF-8.

    ## Why this is bad
    Another encoding turns letters into others, or cannot be read at all: a column's name then differs from the data's.

    ## Bad
    ```yaml
    # saved as Latin-1
    project: {owner: José}
    ```

    ## Good
    ```yaml
    # saved as UTF-8
    project: {owner: José}
    ```

    ## Fix safety
    None: save the file as UTF-8.

    ## Source
    YAML 1.2.2, chapter 5.2, Character Encodings; this language takes UTF-8 only.
    """


@fault("YAM018")
def number_too_large() -> None:
    """A number does not fit 64 bits.

    ## Why this is bad
    It would be rounded, or become infinite, by one of the programs that read it.

    ## Bad
    ```yaml
    splits: {seed: 99999999999999999999}
    ```

    ## Good
    ```yaml
    splits: {seed: 99}
    ```

    ## Fix safety
    None: quote it where it is text, such as an identifier.

    ## Source
    YAML 1.2.2, chapter 10.2.1, JSON Tags; 64 bits are what all orchestrators take.
    """


@fault("YAM019")
def several_documents() -> None:
    """A second document begins in the file.

    ## Why this is bad
    A spec is one document. What follows the second `---` would be ignored.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: a}
    ---
    mlspec: 1
    project: {name: b}
    ```

    ## Good
    ```yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None: keep the second document in a file of its own.

    ## Source
    YAML 1.2.2, chapter 9.2, Streams.
    """


@fault("YAM020")
def tab_indent() -> None:
    """A tab indents a line.

    ## Why this is bad
    YAML forbids it, because editors disagree how wide a tab is.

    ## Bad
    ```yaml
    # the arrow is a tab
    training:
    →seed: 7
    ```

    ## Good
    ```yaml
    training:
      seed: 7
    ```

    ## Fix safety
    None: only spaces say how deep the line stands.

    ## Source
    YAML 1.2.2, chapter 6.1, Indentation Spaces.
    """


@fault("YAM021")
def too_deep() -> None:
    """Values nest deeper than 64 levels.

    ## Why this is bad
    No spec needs it, and programs that read the spec after this one may crash.

    ## Bad
    ```yaml
    x-deep: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
    ```

    ## Good
    ```yaml
    x-deep: [[1]]
    ```

    ## Fix safety
    None.

    ## Source
    The language: a limit that keeps hostile files harmless.
    """


@fault("YAM022")
def too_large() -> None:
    """The file is larger than 8 MiB.

    ## Why this is bad
    A spec is written by people. A file of this size is data that came to the wrong place.

    ## Bad
    ```yaml
    # and eight million characters more
    x-rows: [1, 2, 3]
    ```

    ## Good
    ```yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None.

    ## Source
    The language: a limit that keeps hostile files harmless.
    """


@fault("YAM023")
def too_many_problems() -> None:
    """The file has more than 100 faults of its text.

    ## Why this is bad
    What follows is not read: after so many, most are echoes of the first ones.

    ## Bad
    ```yaml
    # and a hundred lines like it
    x-flag: yes
    ```

    ## Good
    ```yaml
    x-flag: true
    ```

    ## Fix safety
    None: mend the first ones.

    ## Source
    The language: a limit that keeps hostile files harmless.
    """


@fault("YAM024")
def too_many_values() -> None:
    """The file has more values than a spec can have, aliases counted as what they stand for.

    ## Why this is bad
    Aliases of aliases grow without bound; such a file is made to fill the memory.

    ## Bad
    ```yaml
    x-a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    x-b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
    x-c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
    x-d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
    x-e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
    x-f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
    ```

    ## Good
    ```yaml
    x-a: &a [1]
    x-b: [*a, *a]
    ```

    ## Fix safety
    None.

    ## Source
    The language: a limit that keeps hostile files harmless.
    """


@fault("YAM025")
def unclosed_bracket() -> None:
    """A `[` or `{` is never closed.

    ## Why this is bad
    All that follows would belong to it. The rest of the spec is read without this line.

    ## Bad
    ```yaml
    task: {kind: classification, target: Churn
    training: {seed: 7}
    ```

    ## Good
    ```yaml
    task: {kind: classification, target: Churn}
    training: {seed: 7}
    ```

    ## Fix safety
    None: only its writer knows where it ends.

    ## Source
    YAML 1.2.2, chapter 7.4, Flow Collection Styles.
    """


@fault("YAM026")
def unclosed_quote() -> None:
    """A quote opens a text that is never closed.

    ## Why this is bad
    All that follows would be part of the text. The rest of the spec is read without this line.

    ## Bad
    ```yaml
    task: {kind: classification, target: "Churn}
    training: {seed: 7}
    ```

    ## Good
    ```yaml
    task: {kind: classification, target: "Churn"}
    training: {seed: 7}
    ```

    ## Fix safety
    None: only its writer knows where it ends.

    ## Source
    YAML 1.2.2, chapter 7.3, Flow Scalar Styles.
    """


@fault("YAM027")
def undefined_alias() -> None:
    """An alias refers to an anchor that does not stand above it.

    ## Why this is bad
    `*name` repeats the value that `&name` marks further up. A text that starts with `*` needs quotes.

    ## Bad
    ```yaml
    x-shared: &shared {seed: 7}
    training: *shard
    ```

    ## Good
    ```yaml
    x-shared: &shared {seed: 7}
    training: *shared
    ```

    ## Fix safety
    None: only its writer knows which value is meant.

    ## Source
    YAML 1.2.2, chapter 7.1, Alias Nodes.
    """


@fault("YAM028")
def unexpected_colon() -> None:
    """A `: ` stands where no key can be.

    ## Why this is bad
    A colon with a space behind it separates a key from its value, inside a plain text too.

    ## Bad
    ```yaml
    project: {name: churn}
    x-note: rules: contract ends soon
    ```

    ## Good
    ```yaml
    x-note: "rules: contract ends soon"
    ```

    ## Fix safety
    None: quote the value, or correct the indentation.

    ## Source
    YAML 1.2.2, chapter 7.3.3, Plain Style: it must not contain `: `.
    """


@fault("YAM029")
def unexpected_dash() -> None:
    """A list item starts behind a key, on the same line.

    ## Why this is bad
    A list with dashes starts on a line of its own.

    ## Bad
    ```yaml
    evaluation:
      slices: - Contract
    ```

    ## Good
    ```yaml
    evaluation:
      slices: [Contract]
    ```

    ## Fix safety
    None: write `[a, b]`, or start the list below its key.

    ## Source
    YAML 1.2.2, chapter 8.2.1, Block Sequences.
    """


@fault("YAM030")
def unexpected_question_mark() -> None:
    """A `?` stands where no key can start.

    ## Why this is bad
    `? ` starts a key in YAML; a text that starts with it needs quotes.

    ## Bad
    ```yaml
    x-note: ? why
    ```

    ## Good
    ```yaml
    x-note: "? why"
    ```

    ## Fix safety
    None: quote the value.

    ## Source
    YAML 1.2.2, chapter 8.2.2, Block Mappings.
    """


@fault("YAM031")
def unexpected_text() -> None:
    """Text follows a value that is already complete.

    ## Why this is bad
    A quoted text, a list or a mapping ends where it is closed. Nothing but a comment can follow on the line.

    ## Bad
    ```yaml
    project: {name: churn}
    x-note: "a" and b
    ```

    ## Good
    ```yaml
    x-note: '"a" and b'
    ```

    ## Fix safety
    None: quote the whole value, or write `#` before a comment.

    ## Source
    YAML 1.2.2, chapter 7.3, Flow Scalar Styles.
    """


@fault("YAM032")
def unquoted_value() -> None:
    """A plain value starts with a sign that has a meaning in YAML.

    ## Why this is bad
    `*`, `&`, `!`, `|`, `>`, `%`, `@` and a backtick cannot start a plain text. A comparison such as `>= 0.8` is the usual
    victim.

    ## Bad
    ```yaml
    requirements:
      metrics: [{metric: recall, target: >= 0.70}]
    ```

    ## Good
    ```yaml
    requirements:
      metrics: [{metric: recall, target: ">= 0.70", primary: true, supports: retention_rate}]
    ```

    ## Fix safety
    None here: quote the value.

    ## Source
    YAML 1.2.2, chapter 7.3.3, Plain Style.
    """


@fault("YAM033")
def unreadable_file() -> None:
    """A file cannot be read.

    ## Why this is bad
    The system refuses: the path leads through a file, or the rights are missing.

    ## Bad
    ```yaml
    mlspec: 1
    extends: [base.yaml, base.yaml/more.yaml]
    ```

    ## Good
    ```yaml
    mlspec: 1
    extends: [base.yaml]
    ```

    ## Fix safety
    None: correct the path or the rights.

    ## Source
    The language: `extends` names files.
    """


@fault("YAM034")
def unsupported_tag() -> None:
    """A value has a tag that means nothing in this language.

    ## Why this is bad
    Tags such as `!!python/object` make other programs run code. Here they are refused, and never obeyed.

    ## Bad
    ```yaml
    x-step: !!python/name:os.system echo
    ```

    ## Good
    ```yaml
    x-step: os.system
    ```

    ## Fix safety
    None: leave the tag out, or quote a text that starts with `!`.

    ## Source
    YAML 1.2.2, chapter 10, Recommended Schemas: the core schema has seven tags.
    """


@fault("YAM035")
def wrong_tag() -> None:
    """A value is not what its tag says.

    ## Why this is bad
    `!!int` before a text promises a number that is not there.

    ## Bad
    ```yaml
    splits: {seed: !!int seven}
    ```

    ## Good
    ```yaml
    splits: {seed: !!int 7}
    ```

    ## Fix safety
    None: leave the tag out.

    ## Source
    YAML 1.2.2, chapter 10.2.1, JSON Tags.
    """


@fault("YAM036", WARNING)
def yaml_1_1_boolean() -> None:
    """A plain `yes`, `no`, `on` or `off` is text here, and a truth value for older readers.

    ## Why this is bad
    Programs that read YAML 1.1, among them many orchestrators, take the word for true or false. Norway's country code is
    the known victim.

    ## Bad
    ```yaml
    x-country: no
    ```

    ## Good
    ```yaml
    x-country: "no"
    ```

    ## Fix safety
    None here: quote it, or write true or false.

    ## Source
    YAML 1.1, https://yaml.org/type/bool.html; YAML 1.2.2, chapter 10.3.2, Tag Resolution.
    """


@fault("YAM037", WARNING)
def yaml_1_1_number() -> None:
    """A plain number means something else for readers of YAML 1.1.

    ## Why this is bad
    `010` is ten here and eight there; `1:30` is text here and ninety there.

    ## Bad
    ```yaml
    splits: {seed: 010}
    ```

    ## Good
    ```yaml
    splits: {seed: 10}
    ```

    ## Fix safety
    None here: write it without the leading zero, or quote it.

    ## Source
    YAML 1.1, https://yaml.org/type/int.html; YAML 1.2.2, chapter 10.3.2, Tag Resolution.
    """


@fault("YAM038")
def yaml_syntax() -> None:
    """The text is not YAML, for a reason that has no name of its own.

    ## Why this is bad
    The parser could not go on there. The rest of the spec is read without this line.

    ## Bad
    ```yaml
    # any text that the parser refuses without a reason that is known
    splits: {seed: 8}
    ```

    ## Good
    ```yaml
    splits: {seed: 8}
    ```

    ## Fix safety
    None.

    ## Source
    YAML 1.2.2, https://yaml.org/spec/1.2.2.
    """
