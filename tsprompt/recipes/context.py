"""Labelled cases in the context, and coloured segments."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["CONTEXT"]

CONTEXT = (
    Recipe(
        "demonstrations",
        "beside each query, a similar train case of every class with its label word; four sets",
        "LM-BFF: Gao et al. (2021)",
        Settings(
            tokenizer="kernels:steps=32",
            prompt="hard:length=8",
            readout="mask",
            head="ridge",
            combination="vote",
            context="demonstrations",
        ),
        mechanism="[CLS] query [MASK] [SEP] case word-a [SEP] case word-b [SEP], cases drawn among "
        "the half of their class that is most like the query",
        departures=(
            "a ridge on the mask's state, where the source fine-tunes the model on the words' "
            "scores, because here the model is frozen",
            "likeness of mean tokens, not of sentence embeddings (SBERT), because no model but the "
            "one that reads is asked",
            "one set of demonstrations for each of four prompts, where the source averages many "
            "for each query, because each costs a pass",
        ),
    ),
    Recipe(
        "in-context",
        "up to four solved cases of each class, then the query; nothing is fitted at all",
        "GPT-3: Brown et al. (2020); calibration after Zhao et al. (2021)",
        Settings(
            tokenizer="kernels:steps=32",
            prompt="none",
            n_prompts=1,
            readout="mask",
            head="label-words:scores=tied,fitted=false",
            train="tuning-free",
            context="demonstrations:per_class=4,share=1.0,prompted=false,place=before,least_steps=8",
        ),
        mechanism="P(c | solved cases, query) by the score of c's word where the query has its own",
        departures=(
            "the word is read at a [MASK] in an encoder's template, where GPT-3 writes on, because "
            "the default backbone is an encoder; a decoder's is read behind the query",
            "the mean score over train is taken off each word, where Zhao et al. take that of an "
            "input without content, because a series has no such input",
        ),
    ),
    Recipe(
        "cpt",
        "colour words before the segments; the scores of the colours at the mask decide",
        "colour-based prompt tuning, carried over from images: Yao et al. (2021)",
        Settings(
            prompt='manual:template="{series} the pattern is in [MASK] colour"',
            readout="words",
            head="ridge",
            context="colours",
        ),
        mechanism="score of colour word i at [MASK] in '{series} the pattern is in [MASK] colour'",
        departures=(
            "words of colours before segments, where the source paints regions of a picture, "
            "because a model of words sees no paint; `cpt-plot` paints",
            "which segment tells of which class is learned, by a ridge on the scores, because the "
            "source asks for a region and not for a class",
            "segments of equal length, not a detector's boxes, because a series has no objects",
        ),
    ),
    Recipe(
        "nsp",
        "each class's text as the next sentence; the model's own head for that decides, no label",
        "NSP-BERT: Sun et al. (2022)",
        Settings(
            tokenizer="kernels:steps=32",
            prompt="none",
            n_prompts=1,
            readout="mask",
            head="matching:fitted=false",
            train="tuning-free",
            context='pairs:template="{series} [SEP] the pattern is {class}"',
            backbone="bert-base-uncased",
        ),
        mechanism="P(c | x) = P(IsNext | [CLS] x [SEP] text_c [SEP]) over the sum of all classes'",
        departures=(
            "the series stands as vectors in the words' space, because it has no words",
            "segments count positions through, where the source lets those of a long prompt repeat "
            "(soft positions), because that is for tasks that point at words",
        ),
    ),
    Recipe(
        "pairs",
        "the query then a train case, four of each class: same or different, said at the mask",
        "two inputs in one template: Schick and Schuetze (2021), Wang et al. (2021)",
        Settings(
            tokenizer="kernels:steps=32",
            prompt="none",
            n_prompts=1,
            readout="mask",
            head="matching:scores=tied,words=same+different",
            context='pairs:template="{series} then {series} [MASK]",per_class=4',
        ),
        mechanism="score of c = mean over its pairs of log P(same) / (P(same) + P(different))",
        departures=(
            "words scored by their embeddings, because the default backbone lost its head for "
            "words; `scores=model` asks it",
            "a temperature and a bias for each class are fitted and nothing else, where the "
            "sources fine-tune the model, because here it is frozen",
        ),
    ),
)
