"""JSON of SQuAD's form, version 1.1, as rows: articles hold paragraphs, these a context and questions with answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradsim_shared.errors import DataError

_FORM = (
    '{"data": [{"paragraphs": [{"context": "...", "qas": [{"question": "...", "answers": [{"text": "...", '
    '"answer_start": 0}]}]}]}]}'
)


def is_squad(content: object) -> bool:
    """Return whether a JSON value is of this form: a list of articles stands in it."""
    data = content.get("data") if isinstance(content, dict) else None
    return isinstance(data, list) and all(isinstance(article, dict) and "paragraphs" in article for article in data)


def squad_rows(where: str, content: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the questions of a JSON object of SQuAD's form as rows, each with its title; they are named by their id.

    An article without a title is named by its place among the articles.

    Raises:
        DataError: It is of another form.
    """
    try:
        for number, article in enumerate(content["data"]):  # type: ignore[index]
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    answers = question["answers"]
                    yield (
                        f"{where}, question {question.get('id', question['question'])!s}",
                        {
                            "title": article.get("title") or str(number),
                            "question": question["question"],
                            "context": paragraph["context"],
                            "answer_text": [answer["text"] for answer in answers],
                            "answer_start": [answer["answer_start"] for answer in answers],
                        },
                    )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: not of SQuAD's form ({type(error).__name__}: {error}): {_FORM}") from error
