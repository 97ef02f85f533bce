"""Mutants: where rill's sources can be changed in one small way, found by tokens, and how each change is written.

Sources are laid out by clang-format, so that an operator with two operands has a space on either side and a template's
brackets have none. Only bodies of functions are changed, and nothing that the compiler has to know: constexpr,
static_assert, templates' headers, if constexpr, case labels, array bounds, loops under an OpenMP pragma; nor the texts of
messages. All mutants of a sample are compiled at once: each is chosen at run time by ::rill_mutant(id).
"""

import bisect
import hashlib
import math
import re

TOKEN = re.compile(
    r'(?P<skip>//[^\n]*|/\*.*?\*/)'
    r'|(?P<pre>^[ \t]*\#(?:[^\n\\]|\\.)*(?:\\\n(?:[^\n\\]|\\.)*)*)'
    r'|(?P<text>(?:u8|[uUL])?R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|(?:u8|[uUL])?"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)+\')'
    r"|(?P<number>\.?\d(?:[\w.']|[eEpP][+-])*)"
    r'|(?P<word>[A-Za-z_]\w*)'
    r'|(?P<op><=>|<<=|>>=|\.\.\.|->\*|::|->|\+\+|--|<<|<=|>=|==|!=|&&|\|\||\+=|-=|\*=|/=|%=|&=|\|=|\^='
    r'|[-+*/%<>=!&|^~?:;,.(){}\[\]])',
    re.S | re.M)

SWAPS = {'<': ('<=', 'compare'), '<=': ('<', 'compare'), '>': ('>=', 'compare'), '>=': ('>', 'compare'),
         '==': ('!=', 'equal'), '!=': ('==', 'equal'), '&&': ('||', 'logic'), '||': ('&&', 'logic'),
         '+': ('-', 'sum'), '-': ('+', 'sum'), '*': ('/', 'product'), '/': ('*', 'product'),
         '+=': ('-=', 'assign'), '-=': ('+=', 'assign'), '*=': ('/=', 'assign'), '/=': ('*=', 'assign')}
BINDS = {'*': 10, '/': 10, '%': 10, '+': 9, '-': 9, '<<': 8, '>>': 8, '<=>': 7, '<': 6, '<=': 6, '>': 6, '>=': 6, '==': 5,
         '!=': 5, '&': 4, '^': 3, '|': 2, '&&': 1, '||': 0}
ASSIGNS = {'=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>='}
ENDS = {',', ';', '?', ':', '{', '}'} | ASSIGNS
OPEN, CLOSE = {'(', '[', '{'}, {')', ']', '}'}
# How often a kind is drawn, beside the others: as many as there are of each would be mostly constants.
WEIGHTS = {'compare': 3, 'equal': 3, 'logic': 3, 'sum': 2, 'product': 2, 'assign': 3, 'step': 1, 'constant': 0.6, 'negate': 1.5,
           'drop': 1.2, 'return': 1, 'check': 1.5}
KNOWN_WORDS = {'static_assert', 'decltype', 'sizeof', 'alignof', 'noexcept', 'alignas', 'requires'}
NO_STATEMENT = {'return', 'throw', 'using', 'case', 'default', 'break', 'continue', 'static', 'const', 'constexpr', 'auto', 'if',
                'for', 'while', 'do', 'else', 'switch', 'try', 'catch', 'goto', 'struct', 'class', 'enum', 'template',
                'typedef', 'friend', 'public', 'private', 'RILL_CHECK', 'extern', 'namespace', 'delete', 'co_return', 'thread_local'}


class Token:
    __slots__ = ('kind', 'text', 'start', 'end', 'mate')

    def __init__(self, kind, text, start, end):
        self.kind, self.text, self.start, self.end, self.mate = kind, text, start, end, None


class Mutant:
    """One change: `parts` are (start, end, new text); RILL_ID in them stands for the mutant's number."""

    def __init__(self, file, line, kind, what, parts):
        self.file, self.line, self.kind, self.what, self.parts = file, line, kind, what, parts
        self.start, self.end = min(p[0] for p in parts), max(p[1] for p in parts)
        self.id, self.rank = 0, 0.0


def tokens_of(source):
    tokens = []
    for match in TOKEN.finditer(source):
        kind = match.lastgroup if match.lastgroup != 'mark' else 'text'
        if kind != 'skip':
            tokens.append(Token(kind, match.group(0), match.start(), match.end()))
    opened = []
    for token in tokens:
        if token.kind == 'op' and token.text in OPEN:
            opened.append(token)
        elif token.kind == 'op' and token.text in CLOSE and opened:
            other = opened.pop()
            other.mate, token.mate = token, other
    return tokens


class Source:
    def __init__(self, file, text):
        self.file, self.text = file, text
        self.tokens = tokens_of(text)
        self.at = {token: i for i, token in enumerate(self.tokens)}
        self.newlines = [m.start() for m in re.finditer('\n', text)]
        self.closed = [False] * len(self.tokens)  # not to be changed
        self.heads = {}
        self.around = self.brackets()
        self.found = []
        self.inside = self.function_bodies()
        self.close_known()
        self.look()

    def line(self, position):
        return bisect.bisect_left(self.newlines, position) + 1

    def mate(self, i):
        other = self.tokens[i].mate
        return self.at[other] if other else i

    def text_between(self, first, last):
        return self.text[self.tokens[first].start:self.tokens[last].end]

    def brackets(self):
        """For each token the opening bracket around it."""
        around, opened = [], []
        for i, token in enumerate(self.tokens):
            if token.text in CLOSE and opened:
                opened.pop()
            around.append(opened[-1] if opened else None)
            if token.kind == 'op' and token.text in OPEN:
                opened.append(i)
        return around

    # ---- what may be changed ----

    def function_bodies(self):
        inside = [False] * len(self.tokens)
        i, head = 0, 0
        while i < len(self.tokens):
            text = self.tokens[i].text
            if text in (';', '}') or self.tokens[i].kind == 'pre' or (text == ':' and self.tokens[i - 1].text in ('public', 'private', 'protected')):
                head = i + 1
            elif text == '{':
                words = [t.text for t in self.tokens[head:i]]
                last = self.mate(i)
                if 'namespace' in words or 'extern' in words and '(' not in words:
                    head = i + 1
                elif ('struct' in words or 'class' in words or 'union' in words) and self.is_type(words):
                    head = i + 1
                elif '(' in words and 'enum' not in words and not self.is_table(words):
                    # samples() of an op are inputs for its tests.
                    known = 'constexpr' in words or 'consteval' in words or words[words.index('(') - 1].endswith('samples')
                    for j in range(i + 1, last):
                        inside[j] = not known
                        self.heads[j] = head
                    i, head = last, last + 1
                else:
                    i, head = last, last + 1
            i += 1
        return inside

    @staticmethod
    def is_type(words):
        # Parameters of templates say class, too.
        depth = 0
        for word in words:
            depth += {'<': 1, '>': -1}.get(word, 0)
            if depth == 0 and word in ('struct', 'class', 'union'):
                return True
            if depth == 0 and word == '(':
                return False
        return False

    @staticmethod
    def is_table(words):
        first = words.index('(')
        return '=' in words[:first] and 'operator' not in words[:first]

    def close(self, first, last):
        for i in range(first, min(last, len(self.tokens) - 1) + 1):
            self.closed[i] = True

    def statement_end(self, i):
        while i < len(self.tokens) and self.tokens[i].text != ';':
            i = self.mate(i) + 1 if self.tokens[i].text in OPEN else i + 1
        return i

    def close_known(self):
        for i, token in enumerate(self.tokens):
            following = self.tokens[i + 1].text if i + 1 < len(self.tokens) else ''
            if token.text == 'constexpr':
                self.close(i, self.mate(i + 1) if following == '(' else self.statement_end(i))
            elif token.text in KNOWN_WORDS and following == '(':
                self.close(i, self.mate(i + 1))
            elif token.text == 'case':
                j = i
                while self.tokens[j].text != ':':
                    j += 1
                self.close(i, j)
            elif token.text == '[' and following == '[':
                self.close(i, self.mate(i))
            elif token.text == 'operator':
                self.close(i, i + 1)
            elif token.text == 'RILL_CHECK' and following == '(':
                self.close(self.argument_end(i + 1), self.mate(i + 1))
            elif token.text == 'template' and following == '<':
                self.close(i, self.angle_end(i + 1))
            elif token.text == '<' and i and self.tokens[i - 1].end == token.start:
                self.close(i, self.angle_end(i))
            elif token.kind == 'pre' and 'omp' in token.text and following == 'for':
                self.close(i, self.mate(i + 2))

    def angle_end(self, i):
        depth, j = 0, i
        while j < len(self.tokens):
            text = self.tokens[j].text
            if text == '<':
                depth += 1
            elif text == '>':
                depth -= 1
            elif text in (';', '{'):
                return j
            if depth <= 0:
                return j
            j = self.mate(j) + 1 if text == '(' else j + 1
        return j

    def argument_end(self, i):
        """The comma that ends the first argument of the call whose ( is token i, or its )."""
        last, j = self.mate(i), i + 1
        while j < last and self.tokens[j].text != ',':
            j = self.mate(j) + 1 if self.tokens[j].text in OPEN else j + 1
        return j

    # ---- operands ----

    def spaced(self, i):
        token = self.tokens[i]
        return self.text[token.start - 1].isspace() and self.text[token.end].isspace()

    def binds(self, i):
        token = self.tokens[i]
        if token.kind == 'op' and token.text in BINDS and self.spaced(i):
            return BINDS[token.text]
        return None

    def left(self, i, strength):
        """The first token of the left operand of an operator of this strength at i."""
        j = i - 1
        while j >= 0:
            token = self.tokens[j]
            if token.kind == 'op' and token.text in CLOSE:
                j = self.mate(j) - 1
                continue
            if token.kind == 'pre' or token.text in OPEN or token.text in ENDS or token.text in ('return', 'throw', 'case', 'else'):
                break
            mine = self.binds(j)
            if mine is not None and mine < strength:
                break
            j -= 1
        return j + 1

    def right(self, i, strength):
        j = i + 1
        while j < len(self.tokens):
            token = self.tokens[j]
            if token.kind == 'op' and token.text in OPEN:
                # A body after a condition.
                if token.text == '{' and self.tokens[j - 1].text == ')':
                    break
                j = self.mate(j) + 1
                continue
            if token.kind == 'pre' or token.text in CLOSE or token.text in ENDS:
                if strength < 0 and token.text in ('?', ':'):
                    j += 1
                    continue
                break
            mine = self.binds(j)
            if mine is not None and mine <= strength:
                break
            j += 1
        return j - 1

    # ---- the mutants ----

    def add(self, i, kind, what, first, last, new):
        start, end = self.tokens[first].start, self.tokens[last].end
        lost = self.text.count('\n', start, end) - new.count('\n')
        # Lines stay where they are, for the compiler's messages.
        self.found.append(Mutant(self.file, self.line(self.tokens[i].start), kind, what, [(start, end, new + '\n' * max(0, lost))]))

    def look(self):
        for i, token in enumerate(self.tokens):
            if not self.inside[i] or self.closed[i]:
                continue
            if token.kind == 'op':
                self.look_operator(i)
            elif token.kind == 'number':
                self.look_number(i)
            elif token.text in ('if', 'while') and self.tokens[i + 1].text == '(':
                self.look_condition(i)
            elif token.text == 'RILL_CHECK' and self.tokens[i + 1].text == '(':
                last = self.argument_end(i + 1) - 1
                self.add(i, 'check', 'RILL_CHECK never fails', i + 2, last, f'::rill_mutant(RILL_ID) || ({self.text_between(i + 2, last)})')
            elif token.text == 'return':
                self.look_return(i)
            if self.tokens[i - 1].text in (';', '{', '}') and token.text not in NO_STATEMENT and self.begins_line(i):
                self.look_statement(i)

    def begins_line(self, i):
        token = self.tokens[i]
        before = self.text[:token.start].rsplit('\n', 1)[-1]
        return not before.strip() and (token.kind == 'word' or token.text in ('*', '(', '++', '--', '::'))

    def look_operator(self, i):
        text = self.tokens[i].text
        if text in ('++', '--') and self.tokens[i + 1].kind == 'word' and self.tokens[i - 1].kind != 'word':
            last = i + 1
            while self.tokens[last + 1].text in ('.', '->', '[', '::'):
                last = self.mate(last + 1) if self.tokens[last + 1].text == '[' else last + 2
            operand, other = self.text_between(i + 1, last), '--' if text == '++' else '++'
            self.add(i, 'step', f'{text} -> {other}', i, last, f'(::rill_mutant(RILL_ID) ? {other}{operand} : {text}{operand})')
            return
        if text not in SWAPS or not self.spaced(i):
            return
        other, kind = SWAPS[text]
        strength = BINDS.get(text, -1)
        first, last = self.left(i, strength), self.right(i, strength)
        if first >= i or last <= i or any(self.closed[first:last + 1]) and kind == 'assign':
            return
        a, b = self.text_between(first, i - 1), self.text_between(i + 1, last)
        if self.tokens[first].text in NO_STATEMENT or a.lstrip().startswith('['):
            return
        if text in ('+', '-') and ('"' in a or '"' in b):
            return
        if kind == 'logic':
            a, b = f'({a})', f'({b})'
        self.add(i, kind, f'{text} -> {other}', first, last, f'(::rill_mutant(RILL_ID) ? ({a} {other} {b}) : ({a} {text} {b}))')

    def look_number(self, i):
        text, before, after = self.tokens[i].text, self.tokens[i - 1], self.tokens[i + 1].text
        if before.text in ('<', 'operator') and before.end == self.tokens[i].start or after == '>':
            return
        if after == ']' and self.tokens[i - 2].kind == 'word' and self.tokens[i - 3].kind == 'word':
            return
        match = re.fullmatch(r'(\d[\d\']*)(u|U|l|L|ul|UL|ull|ULL|LL)?', text) or re.fullmatch(r'(\d*\.\d*)(f|F)?', text)
        if not match:
            return
        digits, suffix = match.group(1), match.group(2) or ''
        value = float(digits) if '.' in digits else int(digits.replace("'", ''))
        other = {0: '1', 1: '0' if '.' not in digits else '2.0'}.get(value, str(value + 1))
        if value == 0 and '.' in digits:
            other = '1.0'
        self.add(i, 'constant', f'{text} -> {other}{suffix}', i, i, f'(::rill_mutant(RILL_ID) ? {other}{suffix} : {text})')

    def look_condition(self, i):
        last = self.mate(i + 1)
        inner = self.text_between(i + 2, last - 1)
        if ';' in inner or re.search(r'[^=<>!]=[^=]', inner):
            return
        self.add(i, 'negate', f'{self.tokens[i].text} (x) -> (!x)', i + 2, last - 1,
                 f'(::rill_mutant(RILL_ID) ? !({inner}) : !!({inner}))')

    def look_return(self, i):
        last = self.statement_end(i)
        if last == i + 1 or self.tokens[i + 1].text in ('{', '[') or 'constexpr' in self.text_between(i, last):
            return
        head = self.text[self.tokens[self.heads[i]].start:self.tokens[i].start].split('{')[0]
        if re.search(r'&\s+(?:[\w:]+::)?[~\w]+(?:\(|\s*operator)|&\s+operator|->\s*[^;{]*&\s*$', head):
            return
        value = self.text_between(i + 1, last - 1)
        self.add(i, 'return', 'return another value', i, last,
                 f'{{ if (::rill_mutant(RILL_ID)) return ::rill_other({value}); return {value}; }}')

    def look_statement(self, i):
        last = self.statement_end(i)
        statement = self.tokens[i:last]
        around = self.around[i]
        if around is None or self.tokens[around].text != '{' or last > self.mate(around) or not statement:
            return
        if last >= len(self.tokens):
            return
        text = self.text_between(i, last)
        if len(statement) < 2 or any(self.closed[i:last]):
            return
        if statement[0].kind == 'pre' or '\n\n' in text or 'lock' in text.lower():
            return
        # Two names side by side declare something.
        depth = 0
        for a, b in zip(statement, statement[1:]):
            depth += {'(': 1, '[': 1, '{': 1}.get(a.text, 0) - (a.text in (')', ']', '}'))
            if depth == 0 and b.kind == 'word' and (a.kind == 'word' or a.text in ('>', '*', '&')):
                return
            if b.text in ASSIGNS:
                break
        if not re.search(r'\(|=|\+\+|--', text):
            return
        first = re.sub(r'\s+', ' ', text)
        self.add(i, 'drop', f'drop: {first[:60]}', i, last, f'if (!::rill_mutant(RILL_ID)) {text}')


def rank(seed, mutant, text, repeat):
    """A number that follows from the seed and the place alone, so that other changes to the sources move no mutant."""
    key = f'{seed}|{mutant.file}|{mutant.kind}|{mutant.what}|{text}|{repeat}'
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], 'big')
    return -math.log((number + 1) / 2.0**64) / WEIGHTS[mutant.kind]


def candidates(files, seed):
    """All mutants of {path: text}, in the order in which a sample is drawn."""
    found = []
    for path in sorted(files):
        seen = {}
        source = Source(path, files[path])
        lines = files[path].splitlines()
        for mutant in source.found:
            text = lines[mutant.line - 1].strip()
            key = (mutant.kind, mutant.what, text)
            seen[key] = seen.get(key, 0) + 1
            mutant.rank = rank(seed, mutant, text, seen[key])
            found.append(mutant)
    found.sort(key=lambda m: m.rank)
    return found


def applied(text, mutants):
    """The source with all of its mutants in it; none may overlap."""
    for mutant in sorted(mutants, key=lambda m: m.start, reverse=True):
        for start, end, new in mutant.parts:
            text = text[:start] + new.replace('RILL_ID', str(mutant.id)) + text[end:]
    return text
