"""Several prompts: they vote, share examples, split a task or a series."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["ENSEMBLES"]

ENSEMBLES = (
    Recipe(
        "ensemble",
        "prompt ensembling: four prompts, each with a head of its own, vote",
        "Liu et al. (2023), section 5.1",
        Settings(combination="vote", n_prompts=4),
        mechanism="P = the mean over prompts of P(class | x, prompt), each by a head of its own",
        departures=(
            "each prompt has a tokenizer draw of its own as well, because random kernels differ "
            "more than prompts of words do",
        ),
    ),
    Recipe(
        "augment",
        "prompt augmentation: one head learns each case under four paraphrases of a prompt",
        "after Jiang et al. (2020) and Liu et al. (2023)",
        Settings(combination="augment", prompt="paraphrases", n_prompts=4),
        mechanism="a prompt and its paraphrases make as many examples of each case, and P is the "
        "mean over them",
        departures=(
            "a paraphrase swaps words for near ones in the model's embeddings instead of "
            "translating to German and back, because no translator is at hand",
            "the prompt is of random words, because it was not written by a person",
        ),
    ),
    Recipe(
        "compose",
        "prompt composition: one class against the rest for each prompt, answers joined",
        "after PTR, Han et al. (2021); Liu et al. (2023), section 5.3",
        Settings(combination="compose", tuner="search:draws=3"),
        mechanism="a sub-prompt answers each sub-question, and P(c) = p_c / (p_1 + .. + p_C), p_c "
        "being what the c-th says of class c against the rest",
        departures=(
            "sub-questions are one class against the rest, where PTR's rules ask for the parts "
            "of a relation, because classes of series are told by no rules",
            "each sub-prompt is read by itself, where PTR joins them in one template with several "
            "masks, because positions are few",
            "a sub-prompt is a random draw, the best of three for its sub-question, and not "
            "written, because the sub-questions have no words",
        ),
    ),
    Recipe(
        "decompose",
        "prompt decomposition: a prompt in four parts, each for a part of the features",
        "after Cui et al. (2021); Liu et al. (2023), section 5.4",
        Settings(combination="decompose", n_prompts=4),
        mechanism="the series falls into parts, each is read under its own part of the prompt, and "
        "one ridge decides by all that is said",
        departures=(
            "parts are groups of features, or windows of time, where the source asks about each "
            "span of a sentence, because series have no words to span",
            "what is said of the parts is joined by a head, where in the source each part has an "
            "answer of its own, because a series has one class",
        ),
    ),
)
