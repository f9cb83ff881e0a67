"""Templates of words that are found: written by a T5, mined from a corpus, paraphrased."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["TEMPLATES"]

TEMPLATES = (
    Recipe(
        "lm-bff",
        "a T5 writes sentences around the words of the classes, train says which suits",
        "LM-BFF: Gao et al. (2021)",
        Settings(
            tokenizer="digits",
            prompt="manual",
            tuner="generate",
            n_prompts=1,
            readout="mask",
            head="auto-words:scores=tied",
        ),
        mechanism="beam search for the words t in two gaps around each class's word with the "
        "largest sum over cases of log P(t | case), then the one with the least loss on a "
        "development part of train",
        departures=(
            "30 beams and 10 templates that are compared, where the paper has 100 and 100, "
            "because each costs a run of the model over train",
            "a head of words is fitted under each template, where the paper trains the whole "
            "model, because the language model is frozen",
            "demonstrations are another recipe, because each is of use without the other",
        ),
    ),
    Recipe(
        "mined",
        "sentences of your corpus become templates; those that suit train vote",
        "Jiang et al. (2020), mining",
        Settings(
            tokenizer="digits",
            prompt="manual",
            tuner="mine:keep=3",
            n_prompts=1,
            readout="mask",
            head="auto-words:scores=tied",
            combination="vote:how=log-mean",
        ),
        mechanism="a sentence with a word for x and a word for y gives the words between them as a "
        "prompt; the K best on train are joined by P = softmax(sum of log P / K)",
        departures=(
            "x is any word for a series and y any word for a class, because a series has no name "
            "that a sentence could mention",
            "the clause of both words takes the place of the path between them in a dependency "
            "parse, because no parser is at hand",
            "a head of words is fitted under each template, because a frozen small model has no "
            "answers of its own to series",
        ),
    ),
    Recipe(
        "paraphrased",
        "the template that you write, and what comes back from its translation; the best vote",
        "Jiang et al. (2020), paraphrasing",
        Settings(
            tokenizer="digits",
            prompt="manual",
            tuner="paraphrase:back=Helsinki-NLP/opus-mt-de-en,keep=2",
            n_prompts=1,
            readout="mask",
            head="auto-words:scores=tied",
            combination="vote:how=log-mean",
        ),
        mechanism="a prompt t goes to another language s and back to t', the likeliest by "
        "P(s | t) P(t' | s) are kept, and the K best on train joined by softmax(sum of log P / K)",
        departures=(
            "a head of words is fitted under each template, because a frozen small model has no "
            "answers of its own to series",
        ),
    ),
)
