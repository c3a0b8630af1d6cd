"""The tokens in the address that `ibackup open` opens."""

from ibackup.view.guard.entry_tokens import TOKEN_SECONDS, EntryTokens


def test_a_token_is_good_once() -> None:
    tokens = EntryTokens()
    token = tokens.make()
    assert len(token) >= 43
    assert not tokens.use(token[:-1])
    assert tokens.use(token)
    assert not tokens.use(token)


def test_a_token_is_good_for_a_minute() -> None:
    now = [1000.0]
    tokens = EntryTokens(lambda: now[0])
    early, late = tokens.make(), tokens.make()
    now[0] += TOKEN_SECONDS - 0.1
    assert tokens.use(early)
    now[0] += 0.1
    assert not tokens.use(late)


def test_tokens_are_kept_as_hashes_and_only_a_few_of_them() -> None:
    tokens = EntryTokens()
    made = [tokens.make() for _ in range(100)]
    held = repr(vars(tokens))
    assert not [token for token in made if token in held]
    assert [tokens.use(token) for token in made] == [False] * 84 + [True] * 16


def test_what_is_no_token_is_refused() -> None:
    tokens = EntryTokens()
    tokens.make()
    assert not any(tokens.use(text) for text in ("", "\ud800", "é", "x" * 100_000))
